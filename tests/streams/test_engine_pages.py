"""From the text of each engine's page to a row of windows: what went in comes out."""

from collections.abc import Callable

import numpy as np
import pytest

from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample
from streams.sources.engines import plan_page
from streams.sources.meter import EngineMeter
from streams.sources.page_reader import PageReader, SeriesBook
from streams.sources.vocabulary import EVERYTHING, SIGNALS
from streams.windows.delta import to_table
from streams.windows.values import derive
from tests.streams import engine_pages as pages

T0 = 1_700_000_000 * SECOND_US


def made(page: Callable[[int], bytes]) -> tuple[bytes, bytes]:
    return page(40), page(60)


PAGES = {
    "vllm": pages.stored("vllm-0.33.0"),
    "vllm-old": made(pages.old_vllm),
    "sglang": pages.stored("sglang-0.5.23"),
    "tgi": made(pages.tgi),
    "trtllm": made(pages.trtllm),
    "triton-trtllm": made(pages.triton_trtllm),
    "triton-vllm": made(pages.triton_vllm),
    "triton": pages.stored("triton-2.51"),
    "llamacpp": made(pages.llamacpp),
}

EXPECTED: dict[str, dict[str, float]] = {
    "vllm": {
        "running_mean": 5, "waiting_mean": 4, "deferred_mean": 1, "kv_use_ratio_mean": 0.37,
        "kv_capacity_tokens_mean": 432_000, "asleep_max": 0, "prompt_tokens_per_s": 6000,
        "cached_tokens_per_s": 2400, "prefix_hit_ratio_mean": 0.4, "output_tokens_per_s": 480,
        "finished_per_s": 20, "truncated_per_s": 4, "preemptions_per_s": 1,
        "spec_accept_ratio_mean": 2 / 3, "ttft_s_mean": 0.1932, "inter_token_s_mean": 0.02848,
        "queue_s_mean": 0.1006, "prefill_s_mean": 0.1, "duration_s_mean": 2.918,
    },
    "vllm-old": {
        "running_mean": 8, "waiting_mean": 3, "kv_use_ratio_mean": 0.5, "finished_per_s": 20,
        "prefix_hit_ratio_mean": 0.4, "inter_token_s_mean": 0.2,
    },
    "sglang": {
        "running_mean": 6, "waiting_mean": 2, "kv_use_ratio_mean": 0.42,
        "kv_capacity_tokens_mean": 431_000, "prompt_tokens_per_s": 6000,
        "cached_tokens_per_s": 2400, "prefix_hit_ratio_mean": 0.4, "output_tokens_per_s": 1600,
        "finished_per_s": 20, "spec_accept_ratio_mean": 0.7, "ttft_s_mean": 0.3484,
        "inter_token_s_mean": 0.02877, "queue_s_mean": 0.1284, "duration_s_mean": 2.877,
    },
    "tgi": {
        "running_mean": 8, "waiting_mean": 3, "finished_per_s": 20, "failed_per_s": 2,
        "prompt_tokens_per_s": 6000, "output_tokens_per_s": 1600, "queue_s_mean": 0.2,
        "duration_s_mean": 0.2, "inter_token_s_mean": 0.2,
    },
    "trtllm": {
        "running_mean": 8, "waiting_mean": 3, "kv_use_ratio_mean": 0.5,
        "kv_capacity_tokens_mean": 32_000, "prefix_hit_ratio_mean": 0.4, "finished_per_s": 20,
        "aborted_per_s": 2, "spec_accept_ratio_mean": 0.5, "ttft_s_mean": 0.2,
    },
    "triton-trtllm": {
        "running_mean": 8, "waiting_mean": 3, "kv_use_ratio_mean": 0.5,
        "kv_capacity_tokens_mean": 64_000, "finished_per_s": 20, "aborted_per_s": 2,
        "failed_per_s": 1, "queue_s_mean": 0.05, "duration_s_mean": 0.2,
    },
    "triton-vllm": {
        "waiting_mean": 3, "finished_per_s": 20, "prompt_tokens_per_s": 6000,
        "output_tokens_per_s": 1600, "ttft_s_mean": 0.2, "inter_token_s_mean": 0.2,
    },
    "triton": {
        "waiting_mean": 0, "finished_per_s": 20, "failed_per_s": 2, "aborted_per_s": 0,
        "duration_s_mean": 0.000169,
    },
    "llamacpp": {
        "running_mean": 8, "waiting_mean": 3, "kv_use_ratio_mean": 0.5,
        "prompt_tokens_per_s": 6000, "output_tokens_per_s": 1600,
    },
}  # fmt: skip


def sampled(earlier: bytes, later: bytes, wanted: frozenset[str] = EVERYTHING) -> EngineSample:
    reader = PageReader(wanted, SeriesBook())
    meter = EngineMeter(cluster="local", pool="chat", replica="a")
    for second, text in enumerate((earlier, later)):
        page = reader.read(text)
        reading = plan_page(page.series).read(page.values)
        sample = meter.sample(reading, T0 + second * SECOND_US, 0.01)
    return sample


def window(sample: EngineSample) -> dict[str, float]:
    table = to_table("engine", [sample], interval_us=SECOND_US)
    return {name: float(value[0]) for name, value in derive(table, interval_s=1).items()}


@pytest.mark.parametrize("engine", PAGES)
def test_what_an_engine_says_is_what_the_window_shows(engine: str) -> None:
    found = window(sampled(*PAGES[engine]))

    expected = EXPECTED[engine]
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("engine", PAGES)
def test_its_signals_alone_say_the_same_of_its_load(engine: str) -> None:
    whole, signals = sampled(*PAGES[engine]), sampled(*PAGES[engine], SIGNALS)

    timings = {f"{t}_{kind}": "" if kind == "spread" else None
               for t in ("ttft", "inter_token", "queue", "prefill", "duration")
               for kind in ("s", "spread")}  # fmt: skip
    assert signals == whole.but(**timings)


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_quantiles_come_out_and_lie_in_order(engine: str) -> None:
    found = window(sampled(*PAGES[engine]))

    for timing in ("ttft_s", "inter_token_s", "queue_s", "duration_s"):
        quantiles = [found[f"{timing}_{q}"] for q in ("p50", "p95", "p99")]
        assert np.isfinite(quantiles).all()
        assert quantiles == sorted(quantiles)
        assert quantiles[0] < quantiles[-1]


@pytest.mark.parametrize("engine", PAGES)
def test_a_sample_names_the_engine(engine: str) -> None:
    assert sampled(*PAGES[engine]).engine == {"triton-vllm": "vllm"}.get(
        engine, engine.partition("-")[0]
    )


@pytest.mark.parametrize("engine", PAGES)
def test_the_signals_of_an_engine_are_few(engine: str) -> None:
    page = PageReader(SIGNALS, SeriesBook()).read(PAGES[engine][1])

    assert 4 <= len(page.values) <= 30


def test_adapters_are_named() -> None:
    assert sampled(*PAGES["vllm"]).adapters == "chat,sql"


def test_what_an_engine_knows_of_its_answers() -> None:
    shown = {
        'vllm:request_success_total{finished_reason="stop"}': 1,
        'vllm:request_success_total{finished_reason="length"}': 4,
        'vllm:request_success_total{finished_reason="repetition"}': 3,
        'vllm:request_success_total{finished_reason="abort"}': 2,
        "vllm:request_generation_tokens_sum": 1_200,
        "vllm:request_generation_tokens_count": 8,
        "vllm:corrupted_requests_total": 2,
    }
    before, after = (pages.lines({k: n * v for k, v in shown.items()}) for n in (1, 2))

    found = window(sampled(before.encode(), after.encode()))

    expected = {
        "truncated_ratio": 0.5, "repeated_ratio": 3 / 8, "tokens_per_answer": 150,
        "corrupted_per_s": 2, "texts_per_s": 0,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
