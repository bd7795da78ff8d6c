"""Rows become events by event time, and every line is accounted for."""

from typing import Any

from streams.clock import SECOND_US
from streams.schemas.telemetry import RequestEvent
from streams.sources.files.events import CROWD, RELATIVE_TO_S, Account, Serving, events
from streams.sources.files.row import BadLine, Row


def told(
    *rows: Row | BadLine, account: Account | None = None, **serving: Any
) -> list[RequestEvent]:
    return list(events(rows, Serving(pool="p", **serving), account or Account()))


def seen(found: list[RequestEvent], since_s: float = RELATIVE_TO_S) -> list[tuple[str, str, float]]:
    return [(e.kind, e.request_id, e.at_us / SECOND_US - since_s) for e in found]


def test_an_end_comes_where_it_belongs() -> None:
    slow, quick = Row(line=2, at_s=0, duration_s=5), Row(line=3, at_s=1, duration_s=1)

    assert seen(told(slow, quick, Row(line=4, at_s=4))) == [
        ("arrived", "1", 0),
        ("arrived", "2", 1),
        ("finished", "2", 2),
        ("arrived", "3", 4),
        ("finished", "1", 5),
    ]


def test_events_carry_what_the_row_has() -> None:
    row = Row(line=2, at_s=0, prompt_tokens=7, output_tokens=4, model="m", tenant="t", route="r")
    arrived, finished = told(row, cluster="c", prefill_per_s=70, output_token_s=0.1)

    assert arrived == RequestEvent(
        kind="arrived",
        at_us=round(RELATIVE_TO_S * SECOND_US),
        pool="p",
        cluster="c",
        model="m",
        tenant="t",
        route="r",
        request_id="1",
        prompt_tokens=7,
    )
    assert finished == arrived.but(
        kind="finished",
        at_us=arrived.at_us + SECOND_US // 2,
        status=200,
        output_tokens=4,
        duration_s=0.5,
    )


def test_what_failed_counts_as_our_error() -> None:
    failed = told(Row(line=2, at_s=0, failed=True))[1]

    assert (failed.status, failed.reason, failed.duration_s) == (500, "failed", None)


def test_a_trace_begins_when_it_says_or_when_it_is_told() -> None:
    relative, absolute = Row(line=2, at_s=3), Row(line=2, at_s=1.7e9)

    assert seen(told(relative)) == [("arrived", "1", 3)]
    assert seen(told(relative, start_s=2e9), 2e9) == [("arrived", "1", 3)]
    assert seen(told(absolute), 1.7e9) == [("arrived", "1", 0)]
    assert seen(told(absolute, start_s=2e9), 2e9) == [("arrived", "1", 0)]


def test_lines_out_of_order_are_put_in_order_as_far_as_memory_goes() -> None:
    account = Account()
    rows = [Row(line=n, at_s=n) for n in range(2 * CROWD)]
    rows.insert(CROWD // 2, Row(line=-1, at_s=1.5))
    rows.append(Row(line=-2, at_s=2.5))
    found = told(*rows, BadLine(7, "moon"), account=account)

    assert [e.at_us for e in found] == sorted(e.at_us for e in found)
    assert (account.requests, account.bad) == (2 * CROWD + 1, 2)
    assert [line.line for line in account.told] == [-2, 7]
