"""Points and spans in, records to publish out; says when there is no more room."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

from streams import metrics
from streams.clock import SECOND_US, Clock
from streams.codec import encode_record
from streams.receive.bodies import BodyError
from streams.receive.genai import Naming, Span, events
from streams.receive.pages import HOLD_US, Pages
from streams.receive.points import HistogramPoint, Point
from streams.schemas.telemetry import Change, RequestEvent
from streams.sources.base import as_out
from streams.sources.loads import EngineLoads
from streams.stage import Out

FLUSH_S: Final = 0.25
LINES: Final = 200
"""Events in one message, as JSON lines."""


class Publishing(Protocol):
    """What of ``Publisher`` is used."""

    def offer(self, *out: Out) -> bool: ...
    async def send(self, *out: Out) -> None: ...


class Inlet:
    """Request events are acknowledged when the broker has them; samples wait here for a second.

    While the publisher has no room for samples they stay here and nothing more is taken.

    room: set while more may be taken.
    in_time_us: an event older than that would be late when it is appended; exporters gather for
        seconds and send a span when it has ended. Such an event counts when it comes.
    """

    def __init__(
        self, naming: Naming, publisher: Publishing, clock: Clock, in_time_us: int
    ) -> None:
        self._naming = naming
        self._publisher = publisher
        self._clock = clock
        self._in_time_us = in_time_us
        self._pages = Pages(naming.cluster)
        self._loads = EngineLoads()
        self._backlog: list[Out] = []
        self.room = asyncio.Event()
        self.room.set()

    def require_room(self) -> None:
        """Raises BodyError with 503: the sender is to keep what it has, and come again."""
        if not self.room.is_set():
            raise BodyError(503, "full", "no room: the broker takes too little")

    def take_points(self, points: Sequence[Point | HistogramPoint]) -> Counter[str]:
        """Reason -> how many were refused."""
        now_us = self._clock()
        return Counter(why for point in points if (why := self._pages.take(point, now_us)))

    async def take_spans(self, spans: Sequence[Span]) -> Counter[str]:
        """The same; returns when the broker has what they say."""
        refused: Counter[str] = Counter()
        found: list[RequestEvent] = []
        for span in spans:
            said = events(span, self._naming)
            if isinstance(said, str):
                refused[said] += 1
            else:
                found += map(self._in_time, said)
        out = [_message(found[at : at + LINES]) for at in range(0, len(found), LINES)]
        if out:
            await self._publisher.send(*out)
        return refused

    async def take_changes(self, changes: Sequence[Change]) -> None:
        """Returns when the broker has them."""
        if changes:
            await self._publisher.send(*map(as_out, changes))

    async def run(self) -> None:
        """Publish what is due, until cancelled; then the rest."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                self.flush(self._clock())
        finally:
            self.flush(self._clock() + HOLD_US)

    def flush(self, now_us: int) -> None:
        for sample in self._pages.due(now_us):
            self._backlog += map(as_out, self._loads.with_changes(sample))
        if self._backlog and self._publisher.offer(*self._backlog):
            self._backlog = []
        if self._backlog:
            self.room.clear()
        else:
            self.room.set()

    def _in_time(self, event: RequestEvent) -> RequestEvent:
        now_us = self._clock()
        if event.at_us >= now_us - self._in_time_us:
            return event
        metrics.DOOR_ITEMS.labels("otlp_traces", "moved").inc()
        return event.but(at_us=now_us)


def in_time_us(lateness_s: float) -> int:
    """How old an event may be when it comes, so that it is in time when it is appended.

    >>> in_time_us(2.0)
    1000000
    """
    return max(0, round(lateness_s * SECOND_US) - SECOND_US)


def _message(found: Sequence[RequestEvent]) -> Out:
    value = b"\n".join(map(encode_record, found))
    return Out(topic="requests", key=found[0].request_id, value=value)


def count_items(door: str, came: int, ignored: int, refused: Counter[str]) -> None:
    """What became of the items of a body."""
    metrics.DOOR_ITEMS.labels(door, "taken").inc(max(0, came - ignored))
    metrics.DOOR_ITEMS.labels(door, "ignored").inc(ignored)
    for reason, count in refused.items():
        metrics.DOOR_REFUSED.labels(door, reason if reason.isidentifier() else "unfit").inc(count)
