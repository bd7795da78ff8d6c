"""Rows in, request events out, by event time and in bounded memory."""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.schemas.telemetry import RequestEvent
from streams.sources.files.row import BadLine, Row

CROWD: Final = 10_000
"""Rows held to put them in order; one that comes later than this many after it is a bad line."""
MAX_IN_FLIGHT: Final = 1_000_000
RELATIVE_S: Final = 1e9
"""Instants before 2001 count from the beginning of the trace."""
RELATIVE_TO_S: Final = 1_767_225_600.0
"""2026-01-01T00:00:00Z: where such a trace begins if nobody says otherwise."""
TOLD: Final = 5
"""Bad lines that are told one by one; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What the file does not say.

    start_s: when the trace begins, since the epoch; None leaves absolute times alone.
    prefill_per_s, output_token_s: how fast a request would be served, where no duration is known:
        prompt tokens a second, and seconds per output token. 0 leaves its end unknown.
    """

    pool: str
    cluster: str = "local"
    start_s: float | None = None
    prefill_per_s: float = 0.0
    output_token_s: float = 0.0

    def duration_s(self, row: Row) -> float | None:
        if row.duration_s is not None or not self.prefill_per_s:
            return row.duration_s
        return row.prompt_tokens / self.prefill_per_s + row.output_tokens * self.output_token_s


@dataclass(slots=True)
class Account:
    """What became of the lines."""

    requests: int = 0
    ended: int = 0
    bad: int = 0
    told: list[BadLine] = field(default_factory=list)

    def reject(self, line: BadLine) -> None:
        self.bad += 1
        if len(self.told) < TOLD:
            self.told.append(line)


def events(
    rows: Iterable[Row | BadLine], serving: Serving, account: Account
) -> Iterator[RequestEvent]:
    """`arrived` of each row, and `finished` where its end is known; bad lines go to ``account``."""
    ends: list[tuple[int, int, RequestEvent]] = []
    shift_s: float | None = None
    for row in _ordered(rows, account):
        if shift_s is None:
            shift_s = _shift_s(row.at_s, serving)
        account.requests += 1
        at_us = round((row.at_s + shift_s) * SECOND_US)
        arrived = _arrived(row, at_us, serving, str(account.requests))
        while ends and ends[0][0] <= arrived.at_us:
            yield heapq.heappop(ends)[2]
        yield arrived
        duration_s = serving.duration_s(row)
        if duration_s is not None or row.failed:
            if len(ends) >= MAX_IN_FLIGHT:
                allowed = f"fewer than {MAX_IN_FLIGHT:,}: the service times are too long"
                raise InvalidParameterError("requests at once", len(ends), allowed)
            account.ended += 1
            finished = _finished(row, arrived, duration_s or 0.0)
            heapq.heappush(ends, (finished.at_us, account.requests, finished))
    yield from (heapq.heappop(ends)[2] for _ in range(len(ends)))


def _ordered(rows: Iterable[Row | BadLine], account: Account) -> Iterator[Row]:
    held: list[tuple[float, int, Row]] = []
    newest_s, count = 0.0, itertools.count()
    for row in rows:
        if isinstance(row, BadLine):
            account.reject(row)
        elif row.at_s < newest_s:
            account.reject(BadLine(row.line, f"more than {CROWD:,} lines behind its time"))
        else:
            heapq.heappush(held, (row.at_s, next(count), row))
        if len(held) > CROWD:
            newest_s, _, first = heapq.heappop(held)
            yield first
    yield from (heapq.heappop(held)[2] for _ in range(len(held)))


def _shift_s(first_s: float, serving: Serving) -> float:
    if first_s < RELATIVE_S:
        return RELATIVE_TO_S if serving.start_s is None else serving.start_s
    return 0.0 if serving.start_s is None else serving.start_s - first_s


def _arrived(row: Row, at_us: int, serving: Serving, request_id: str) -> RequestEvent:
    return RequestEvent(
        kind="arrived",
        at_us=at_us,
        cluster=serving.cluster,
        pool=serving.pool,
        model=row.model,
        tenant=row.tenant,
        route=row.route,
        request_id=request_id,
        prompt_tokens=row.prompt_tokens,
    )


def _finished(row: Row, arrived: RequestEvent, duration_s: float) -> RequestEvent:
    return arrived.but(
        kind="finished",
        at_us=arrived.at_us + round(duration_s * SECOND_US),
        status=500 if row.failed else 200,
        reason="failed" if row.failed else "",
        output_tokens=row.output_tokens,
        duration_s=duration_s if duration_s else None,
    )
