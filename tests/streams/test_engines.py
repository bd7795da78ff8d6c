"""Pages of metrics of several engines, and the samples made of them."""

import pytest

from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample
from streams.sources.engines import read_engine
from streams.sources.meter import EngineMeter, EngineReading, Labels
from streams.sources.prometheus_text import parse
from streams.sources.vocabulary import WANTED

LLAMA = b"""
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 35
llamacpp:tokens_predicted_total 12
llamacpp:predicted_tokens_seconds 18.9
llamacpp:requests_processing 2
llamacpp:requests_deferred 1
"""

DOOR = b"""
tidegate_replica_requests_running 3.0
tidegate_replica_requests_waiting 5.0
tidegate_replica_requests_total 8.0
tidegate_replica_output_tokens_total 10.0
tidegate_replica_output_tokens_created 1.7e+09
"""

VLLM = b"""
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 1.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.4
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.7
vllm:prompt_tokens_total{engine="0",model_name="m"} 1000.0
vllm:generation_tokens_total{engine="0",model_name="m"} 400.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 7.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 2.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001",model_name="m"} 0.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 3.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 6.0
"""

SGLANG = b"""
sglang:num_running_reqs{dp_rank="0",model_name="m",tp_rank="0"} 4.0
sglang:num_running_reqs{dp_rank="0",model_name="m",tp_rank="1"} 4.0
sglang:num_running_reqs{dp_rank="1",model_name="m",tp_rank="0"} 6.0
sglang:num_queue_reqs{dp_rank="0",model_name="m",tp_rank="0"} 2.0
sglang:token_usage{dp_rank="0",model_name="m",tp_rank="0"} 0.25
sglang:generation_tokens_total{model_name="m"} 90.0
"""


ONE: Labels = frozenset({("engine", "0")})
OTHER: Labels = frozenset({("engine", "1")})


def reading(page: bytes) -> EngineReading:
    return read_engine(parse(page, wanted=WANTED).samples)


def levels(page: bytes) -> tuple[float | None, ...]:
    found = reading(page).levels
    return tuple(found.get(name) for name in ("running", "waiting", "kv_use_ratio"))


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param(LLAMA, (2, 1, None), id="llama.cpp"),
        pytest.param(VLLM, (5, 1, 0.7), id="vllm-engines-are-added-up"),
        pytest.param(SGLANG, (10, 2, 0.25), id="sglang-ranks-of-one-engine-are-not"),
        pytest.param(DOOR + LLAMA, (3, 5, None), id="our-door-knows-better-than-its-engine"),
        pytest.param(b"node_load1 0.4\n", (None, None, None), id="another-exporter"),
        pytest.param(b"vllm:gpu_cache_usage_perc 0.5\n", (None, None, 0.5), id="old-name"),
        pytest.param(b"vllm:num_requests_running NaN\n", (None, None, None), id="no-number"),
    ],
)
def test_levels(page: bytes, expected: tuple[float | None, ...]) -> None:
    assert levels(page) == expected


def test_what_our_door_does_not_say_the_engine_does() -> None:
    read = reading(DOOR + LLAMA)

    assert {name: read.total(name) for name in read.counters} == {
        "prompt_tokens": 35,
        "output_tokens": 10,
        "finished": 8,
    }


def test_counters_of_all_labels_are_added_up() -> None:
    assert reading(VLLM).total("finished") == 9


def meter() -> EngineMeter:
    return EngineMeter(cluster="local", pool="codex", replica="codex-1")


def samples(*counters: dict[str, float], every_s: float = 1.0) -> list[EngineSample]:
    one = meter()
    return [
        one.sample(alone(values), round(second * every_s * SECOND_US), 0.01)
        for second, values in enumerate(counters)
    ]


def alone(counters: dict[str, float]) -> EngineReading:
    return EngineReading(counters={name: {ONE: value} for name, value in counters.items()})


def test_counters_become_differences_and_the_first_look_has_none() -> None:
    found = samples({"output_tokens": 100}, {"output_tokens": 112})

    assert [sample.output_tokens for sample in found] == [0, 12]


def test_after_a_reset_all_that_is_shown_is_new() -> None:
    found = samples({"output_tokens": 100}, {"output_tokens": 5})

    assert found[1].output_tokens == 5


def test_an_engine_that_leaves_or_restarts_does_not_touch_its_fellow() -> None:
    one = meter()
    steps = [{ONE: 1000.0, OTHER: 900.0}, {ONE: 1010.0}, {ONE: 1010.0, OTHER: 5.0}]
    found = [
        one.sample(EngineReading(counters={"output_tokens": counter}), 0, 0.01) for counter in steps
    ]

    assert [sample.output_tokens for sample in found] == [0, 10, 5]


def test_a_counter_that_appears_later_starts_at_nothing() -> None:
    found = samples({}, {"output_tokens": 50}, {"output_tokens": 51})

    assert [sample.output_tokens for sample in found] == [0, 0, 1]


def test_what_is_no_number_for_a_while_is_taken_up_where_it_was_left() -> None:
    nan = float("nan")
    found = samples(
        {"output_tokens": 10, "ttft_sum": 1, "ttft_count": 1},
        {"output_tokens": nan, "ttft_sum": nan, "ttft_count": 2},
        {"output_tokens": 15, "ttft_sum": 4, "ttft_count": 3},
    )

    assert [sample.output_tokens for sample in found] == [0, 0, 5]
    assert found[1].ttft_s is None


def test_what_changes_its_type_is_read_no_more_and_all_else_is() -> None:
    one, page = (
        meter(),
        VLLM.replace(b"_seconds_sum", b"_seconds").replace(b"_seconds_count", b"_s"),
    )
    found = [one.sample(reading(text), 0, 0.01) for text in (VLLM, VLLM, page)]

    assert (found[2].ttft_s, found[2].ttft_spread, found[2].running) == (None, "", 5)


def test_latency_is_the_mean_of_what_came_since() -> None:
    found = samples(
        {"ttft_sum": 10, "ttft_count": 10},
        {"ttft_sum": 11, "ttft_count": 12},
        {"ttft_sum": 11, "ttft_count": 12},
    )

    assert [sample.ttft_s for sample in found] == [None, 0.5, None]


def test_a_gap_shows_in_the_interval() -> None:
    assert [sample.interval_s for sample in samples({}, {}, every_s=3)] == [1, 3]


def test_silence_is_up_0_and_claims_nothing_else() -> None:
    silent = meter().silent(7, 0.8)

    assert (silent.up, silent.scrape_s, silent.running, silent.output_tokens) == (0, 0.8, None, 0)
