from typing import Any

import pytest

from streams.clock import SECOND_US
from streams.receive.pages import HOLD_US, Pages
from streams.receive.points import Point
from streams.schemas.telemetry import EngineSample, GpuSample
from streams.sources.vocabulary import WANTED
from tests.streams.samples import T0

PLACE = ("codex", "codex-1")
TOKENS = "vllm:generation_tokens_total"
RUNNING = "vllm:num_requests_running"
TTFT = "vllm:time_to_first_token_seconds"


def point(second: int, name: str, value: float, kind: Any = "total", start: int = 0) -> Point:
    start_us = T0 + start * SECOND_US if start else 0
    at_us = T0 + second * SECOND_US
    return Point(place=PLACE, at_us=at_us, name=name, value=value, kind=kind, start_us=start_us)


def samples(*points: Point) -> list[EngineSample]:
    pages = Pages("local")
    for each in points:
        pages.take(each, T0)
    return sorted(engines(pages), key=lambda sample: sample.at_us)


def engines(pages: Pages, now_us: int = T0 + HOLD_US) -> list[EngineSample]:
    return [sample for sample in pages.due(now_us) if isinstance(sample, EngineSample)]


def tokens(*points: Point) -> list[int]:
    return [sample.output_tokens for sample in samples(*points)]


@pytest.mark.parametrize(
    ("points", "increases"),
    [
        pytest.param([(0, 100), (1, 130), (2, 130)], [0, 30, 0], id="differences"),
        pytest.param([(0, 100), (1, 40)], [0, 40], id="it-went-down"),
        pytest.param([(0, 100, 1), (1, 140, 2)], [0, 140], id="it-counts-from-another-start"),
        pytest.param([(0, 100, 1), (1, 140, 1)], [0, 40], id="it-counts-from-the-same-start"),
    ],
)
def test_totals_become_differences(points: list[tuple[int, ...]], increases: list[int]) -> None:
    made = [point(at, TOKENS, value, "total", *start) for at, value, *start in points]

    assert tokens(*made) == increases


def test_increases_count_from_the_first_on() -> None:
    made = [point(at, TOKENS, value, "increase", -10) for at, value in [(1, 7), (2, 5)]]

    assert tokens(*made) == [7, 5]


def test_totals_and_increases_of_one_series_may_be_mixed() -> None:
    made = [point(0, TOKENS, 10), point(1, TOKENS, 7, "increase"), point(2, TOKENS, 12)]

    assert tokens(*made)[:2] == [0, 7]


def test_what_was_read_at_one_instant_is_put_together_again() -> None:
    pages = Pages("local")
    for second, total in ((0, 0.0), (10, 3.0)):
        pages.take(point(second, f"{TTFT}_count", total), T0)
        pages.take(point(second, RUNNING, 4, "level"), T0 + 1)
        pages.take(point(second, f"{TTFT}_sum", total / 2), T0 + 2)

    assert not list(pages.due(T0 + HOLD_US - 1))
    _, sample = engines(pages)

    assert (sample.pool, sample.replica, sample.running, sample.up) == (*PLACE, 4, 1)
    assert (sample.ttft_s, sample.interval_s) == (0.5, 10)


def test_an_older_value_is_refused_and_the_same_again_changes_nothing() -> None:
    pages = Pages("local")
    said = [
        pages.take(point(second, TOKENS, value, "increase"), T0)
        for second, value in [(5, 7), (5, 7), (4, 1), (5, 8)]
    ]

    (sample,) = engines(pages)
    assert said == [None, None, "out_of_order", "out_of_order"]
    assert sample.output_tokens == 7


def test_an_engine_that_is_down_is_told_by_up_and_others_are_not_our_business() -> None:
    pages = Pages("local")
    pages.take(point(0, "up", 0, "level"), T0)
    assert not list(pages.due(T0 + HOLD_US))

    pages.take(point(0, RUNNING, 1, "level"), T0)
    list(pages.due(T0 + HOLD_US))
    pages.take(point(1, "up", 0, "level"), T0)

    assert [sample.up for sample in engines(pages)] == [0]


def test_what_is_full_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.receive.pages.MAX_SERIES", 2)
    pages = Pages("local")

    said = [pages.take(point(0, name, 1), T0) for name in WANTED[:4]]

    assert said == [None, None, "too_many", "too_many"]


def test_silent_replicas_are_forgotten() -> None:
    pages = Pages("local")
    pages.take(point(0, TOKENS, 100), T0)
    list(pages.due(T0 + 7_200 * SECOND_US))
    pages.take(point(7_300, TOKENS, 300), T0 + 7_300 * SECOND_US)

    (sample,) = engines(pages, T0 + 7_400 * SECOND_US)
    assert sample.output_tokens == 0


def test_one_of_several_series_may_be_reset_alone() -> None:
    labelled = ((("engine", "0"),), (("engine", "1"),))
    totals = ((100, 1_000), (40, 1_700))
    made = [
        Point(
            place=PLACE,
            at_us=T0 + at * SECOND_US,
            name=TOKENS,
            value=value,
            labels=labels,
            kind="total",
        )
        for at, values in enumerate(totals)
        for labels, value in zip(labelled, values, strict=True)
    ]

    assert tokens(*made) == [0, 740]


def test_gpus_of_dcgm_exporter_are_samples_of_their_own() -> None:
    pages, labels = Pages("local"), (("Hostname", "node-1"), ("UUID", "GPU-1"))
    gpu: dict[str, Any] = {"place": ("dcgm", "node-1:9400"), "labels": labels}
    for second, xid in ((0, 0), (1, 79)):
        at_us = T0 + second * SECOND_US
        for name, value in (("XID_ERRORS", xid), ("POWER_USAGE", 300)):
            pages.take(Point(at_us=at_us, name=f"DCGM_FI_DEV_{name}", value=value, **gpu), T0)
        pages.take(Point(at_us=at_us, name="up", value=1, **gpu), T0)

    found = list(pages.due(T0 + HOLD_US))

    assert all(isinstance(sample, GpuSample) for sample in found)
    assert [(s.node, s.gpu_uuid, s.power_w, s.xid) for s in found if isinstance(s, GpuSample)] == [
        ("node-1", "GPU-1", 300, 0),
        ("node-1", "GPU-1", 300, 79),
    ]


def test_every_process_was_started_and_few_are_engines() -> None:
    assert samples(point(0, "process_start_time_seconds", 1.7e9, "level")) == []
