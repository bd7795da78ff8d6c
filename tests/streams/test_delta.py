import random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.clock import SECOND_US
from streams.windows.delta import sum_up, to_table
from streams.windows.identity import SeriesIndex
from streams.windows.regroup import merge_tables
from tests.streams.samples import T0, assert_same, engine, gpu, is_sorted, request

EVENTS = st.builds(
    request,
    kind=st.sampled_from(["arrived", "finished", "rejected", "cancelled", "gauge"]),
    at_us=st.integers(T0 - 3 * SECOND_US, T0 + 3 * SECOND_US),
    pool=st.sampled_from(["codex", "sora"]),
    tenant=st.sampled_from(["", "birch"]),
    status=st.sampled_from([0, 200, 499, 500, 503]),
    reason=st.sampled_from(["", "upstream"]),
    attempt=st.integers(0, 1),
    prompt_tokens=st.integers(-1, 3),
    output_tokens=st.sampled_from([0, 7, 2**60, 2**70]),
    ttft_s=st.sampled_from([None, 0.0, 0.25, -0.5, -1e-7, 1e300, float("inf")]),
    queued=st.sampled_from([None, -1.0, 4.5]),
)


def column(records: list[Any], name: str, kind: str = "request") -> list[int]:
    values: list[int] = to_table(kind, records, interval_us=SECOND_US).ints[name].tolist()
    return values


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        pytest.param(request(prompt_tokens=3), {"arrived": 1, "prompt_tokens": 3}, id="arrival"),
        pytest.param(request(attempt=1, prompt_tokens=3), {}, id="a-retry-is-no-new-demand"),
        pytest.param(
            request("finished", output_tokens=9), {"finished": 1, "output_tokens": 9}, id="success"
        ),
        pytest.param(request("finished", status=500), {"failed": 1}, id="our-error-is-a-failure"),
        pytest.param(request("finished", status=429), {"finished": 1}, id="their-error-is-none"),
        pytest.param(
            request("finished", reason="upstream"), {"failed": 1}, id="a-reason-is-a-failure"
        ),
        pytest.param(request("rejected", status=429), {"rejected": 1}, id="refusal"),
        pytest.param(request("rejected", status=503), {"rejected": 1, "shed": 1}, id="no-room"),
        pytest.param(
            request("cancelled", output_tokens=2, prompt_tokens=5),
            {"cancelled": 1, "output_tokens": 2},
            id="a-client-that-left-got-some-tokens",
        ),
        pytest.param(request("gauge", queued=2.0), {}, id="a-gauge-counts-nothing"),
    ],
)
def test_what_an_event_counts_as(event: Any, counts: dict[str, int]) -> None:
    table = to_table("request", [event], interval_us=SECOND_US)

    seen = {name: int(values[0]) for name, values in table.ints.items() if "." not in name}
    assert {name: count for name, count in seen.items() if count} == counts


def test_durations_are_fixed_point_microseconds() -> None:
    table = to_table(
        "request",
        [request("finished", ttft_s=0.25), request("finished", ttft_s=0.75), request("finished")],
        interval_us=SECOND_US,
    )

    moments = [int(table.ints[f"ttft_s.{part}"][0]) for part in ("n", "sum", "min", "max")]
    assert moments == [2, 1_000_000, 250_000, 750_000]
    assert table.sparse["ttft_s"].count.tolist() == [1, 1]


@pytest.mark.parametrize(("value", "kept"), [(-0.4e-6, [0]), (-0.6e-6, [])])
def test_what_rounds_to_zero_is_zero_and_what_is_below_is_unfit(
    value: float, kept: list[int]
) -> None:
    assert column([request("finished", ttft_s=value)], "ttft_s.min") == kept


def test_durations_come_from_answers_only() -> None:
    assert column([request("cancelled", queue_s=9.0)], "queue_s.n") == [0]


def test_windows_are_half_open() -> None:
    table = to_table("request", [request(at_us=T0 - 1), request(at_us=T0)], interval_us=SECOND_US)

    assert table.window_us.tolist() == [T0 - SECOND_US, T0]


def test_gauges_keep_extremes_and_missing_values_count_nothing() -> None:
    samples = [engine(up=1.0), engine(up=0.0), engine(up=None)]

    parts = [column(samples, f"up.{part}", "engine") for part in ("n", "sum", "min", "max")]
    assert parts == [[2], [1_000_000], [0], [1_000_000]]


def test_counters_of_engines_add_up() -> None:
    assert column(
        [engine(output_tokens=3), engine(output_tokens=4)], "output_tokens", "engine"
    ) == [7]


def test_attributes_of_a_gpu_go_along_with_its_labels() -> None:
    table = to_table("gpu", [gpu(pool="codex", zone="a")], interval_us=10 * SECOND_US)

    assert list(table.labels.values()) == [
        {"cluster": "local", "node": "node-1", "gpu_uuid": "GPU-1", "pool": "codex", "zone": "a"}
    ]


def test_a_gpu_that_changes_hands_stays_one_series_with_labels_for_each_time() -> None:
    records = [gpu(pool="codex"), gpu(pool="sora"), gpu(pool="codex"), gpu("GPU-2")]

    summed = sum_up(records, interval_us=10 * SECOND_US, index=SeriesIndex("gpu"))

    assert [len(table) for table in summed.tables] == [2, 1]
    assert len({int(key) for table in summed.tables for key in table.series}) == 2


def test_no_records_are_an_empty_table() -> None:
    assert len(to_table("engine", [], interval_us=SECOND_US)) == 0


@pytest.mark.parametrize(
    ("record", "reason", "detail"),
    [
        pytest.param(
            request("finished", ttft_s=float("inf")), "not_finite", "ttft_s is inf", id="infinite"
        ),
        pytest.param(
            request("finished", ttft_s=-2.0),
            "out_of_range",
            "ttft_s is -2: negative",
            id="negative",
        ),
        pytest.param(
            request("finished", ttft_s=1e12),
            "out_of_range",
            "ttft_s is 1e+12: too large",
            id="large",
        ),
        pytest.param(
            request(prompt_tokens=10**30),
            "out_of_range",
            "prompt_tokens is a number of 100 bits: too large",
            id="beyond-64-bits",
        ),
        pytest.param(
            request(at_us=10**30),
            "out_of_range",
            "at_us is a number of 100 bits, no instant in µs",
            id="instant",
        ),
        pytest.param(
            request(tenant="x" * 257),
            "too_large",
            "tenant has 257 characters, allowed are 256",
            id="label",
        ),
        pytest.param(
            request(tenant="a\x00"),
            "wrong_type",
            "tenant holds characters that cannot be printed",
            id="control",
        ),
    ],
)
def test_an_unfit_record_is_left_out_and_says_why(record: Any, reason: str, detail: str) -> None:
    good = request("rejected")

    summed = sum_up([good, record, good], interval_us=SECOND_US, index=SeriesIndex("request"))

    assert [(at, why.reason, why.detail) for at, why in summed.rejects.items()] == [
        (1, reason, detail)
    ]
    assert summed.tables[0].ints["rejected"].tolist() == [2]


@given(st.lists(EVENTS, min_size=1, max_size=25), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_one_by_one_or_together_the_sums_are_the_same(
    events: list[Any], rng: random.Random
) -> None:
    index = SeriesIndex("request")
    together = sum_up(events, interval_us=SECOND_US, index=index)
    shuffled = rng.sample(events, len(events))

    alone = [sum_up([event], interval_us=SECOND_US, index=index) for event in shuffled]

    assert_same(together.tables, [merge_tables([t for one in alone for t in one.tables])])
    assert len(together.rejects) == sum(len(one.rejects) for one in alone)
    assert all(is_sorted(table) for table in together.tables)


def test_a_number_beyond_all_floats_is_unfit_and_nothing_worse() -> None:
    summed = sum_up([gpu(xid=10**400), gpu()], interval_us=SECOND_US, index=SeriesIndex("gpu"))

    assert [(at, why.reason) for at, why in summed.rejects.items()] == [(0, "out_of_range")]


def test_labels_that_are_unfit_are_not_kept() -> None:
    index = SeriesIndex("request")

    sum_up([request(tenant="x" * 300)], interval_us=SECOND_US, index=index)

    assert len(index) == 0


def test_series_far_apart_in_time_do_not_need_room_for_what_lies_between() -> None:
    table = to_table("request", [request(at_us=0), request(at_us=2**61)], interval_us=SECOND_US)

    assert np.diff(table.window_us).tolist() == [2**61 // SECOND_US * SECOND_US]


def test_codes_of_series_are_forgotten_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.windows.identity.MAX_KNOWN", 3)
    index = SeriesIndex("request")

    for batch in range(4):
        records = [request(tenant=f"{batch}-{n}") for n in range(2)]
        assert len(sum_up(records, interval_us=SECOND_US, index=index).tables[0]) == 2

    assert len(index.series) <= 4


def test_names_that_come_once_are_forgotten_within_two_minutes() -> None:
    index = SeriesIndex("request")

    for second in range(400):
        index.trim(second * SECOND_US)
        codes = index.codes_of([request(tenant=f"stranger-{second}"), request(tenant="regular")])
        assert index.labels(int(codes[1]))["tenant"] == "regular"

    assert len(index) + len(index.older) <= 2 * 61


def test_records_of_any_encoding_round_trip_sum_up() -> None:
    event = msgspec.json.decode(
        msgspec.json.encode(request(tenant="tide — 潮")), type=type(request())
    )

    assert column([event], "arrived") == [1]
