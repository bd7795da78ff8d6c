import numpy as np
import pytest

from streams.clock import SECOND_US
from streams.windows.delta import to_table
from streams.windows.features import VALUES
from streams.windows.rows import empty_table
from streams.windows.values import derive
from tests.streams.samples import engine, gpu, request

RECORDS = {"request": request(), "engine": engine(), "gpu": gpu()}


@pytest.mark.parametrize("kind", VALUES)
def test_every_value_of_the_catalogue_is_derived_and_no_other(kind: str) -> None:
    values = derive(to_table(kind, [RECORDS[kind]], interval_us=SECOND_US), interval_s=1)

    assert list(values) == [value.name for value in VALUES[kind]]
    assert {array.dtype for array in values.values()} == {np.dtype(np.float64)}


@pytest.mark.parametrize("kind", VALUES)
def test_a_table_without_rows_gives_arrays_without_values(kind: str) -> None:
    assert {array.size for array in derive(empty_table(kind), interval_s=1).values()} == {0}


def test_rates_are_per_second() -> None:
    table = to_table("request", [request(), request(prompt_tokens=30)], interval_us=10 * SECOND_US)

    values = derive(table, interval_s=10)

    assert values["arrived_per_s"] == pytest.approx([0.2])
    assert values["prompt_tokens_per_s"] == pytest.approx([3])


def test_gauges_have_mean_and_extremes() -> None:
    table = to_table("engine", [engine(up=1), engine(up=0)], interval_us=SECOND_US)

    values = derive(table, interval_s=1)

    found = [values[f"up_{how}"][0] for how in ("mean", "min", "max")]
    assert found == [0.5, 0, 1]


def test_quantiles_are_within_one_percent_and_within_what_was_seen() -> None:
    events = [request("finished", ttft_s=n / 100) for n in range(1, 101)]

    values = derive(to_table("request", events, interval_us=SECOND_US), interval_s=1)

    found = [values[f"ttft_s_{how}"][0] for how in ("mean", "p50", "p95", "p99")]
    assert found == pytest.approx([0.505, 0.5, 0.95, 0.99], rel=0.01)


def test_the_quantile_of_one_value_is_that_value() -> None:
    table = to_table("request", [request("finished", ttft_s=0.123457)], interval_us=SECOND_US)

    assert derive(table, interval_s=1)["ttft_s_p99"].tolist() == [0.123457]


def test_where_nothing_was_seen_there_is_no_number() -> None:
    table = to_table("request", [request()], interval_us=SECOND_US)

    values = derive(table, interval_s=1)

    unseen = ["ttft_s_mean", "ttft_s_p50", "queued_max", "error_ratio"]
    assert np.isnan([values[name][0] for name in unseen]).all()
    assert values["finished_per_s"].tolist() == [0]


def test_the_error_ratio_is_of_those_that_ended() -> None:
    events = [request("finished", status=500), *[request("finished")] * 3, request("rejected")]

    values = derive(to_table("request", events, interval_us=SECOND_US), interval_s=1)

    assert values["error_ratio"].tolist() == [0.25]


def test_columns_of_an_older_block_may_be_missing() -> None:
    table = empty_table("engine")
    older = type(table)(table.kind, table.window_us, table.series, {})

    assert list(derive(older, interval_s=1)) == [value.name for value in VALUES["engine"]]


@pytest.mark.parametrize("kind", sorted(RECORDS))
def test_each_value_alone_is_what_it_is_among_all(kind: str) -> None:
    table = to_table(kind, [RECORDS[kind]], interval_us=SECOND_US)
    for name, value in derive(table, interval_s=1).items():
        np.testing.assert_array_equal(derive(table, interval_s=1, only=[name])[name], value)
