"""Messages of a ticked stage's inputs in, ticks out: a machine without clock or I/O."""

import heapq
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Final

from streams.arrivals import BLOCKS, read
from streams.batch import Message
from streams.clock import SECOND_US
from streams.progress import Consumed, Place, Progress, Source
from streams.schemas.system import DeadLetter
from streams.stage import Arrival, Tick

STALL_US: Final = 3 * SECOND_US
"""The watermark has stalled if it has brought no tick for this long."""
WARY_US: Final = 2 * SECOND_US
"""From then on it is worth looking for what can be known before the watermark moves again."""
STALL_LAG_US: Final = 5 * SECOND_US
"""Without a watermark ticks run this far behind the clock, or a second each from the last one."""
EVERY_SECOND_US: Final = 3_600 * SECOND_US
"""So long after an arrival every second is stepped, then whole minutes, until the next arrival.

Which seconds are stepped follows from the arrivals alone, or a run that has to catch up would step
others than one that kept up.
"""
MINUTE_US: Final = 60 * SECOND_US
TICKS_AT_ONCE: Final = 50
AHEAD_US: Final = 60 * SECOND_US
"""How far one shard is read ahead of what has been stepped."""
FAR_FUTURE_US: Final = 60 * SECOND_US
"""An arrival from further ahead of the clock counts as from there."""
MAX_HELD: Final = 100_000
"""Arrivals held; when full, no records but only blocks are read on."""
MAX_EARLY: Final = 1_000
"""Early arrivals held; when full, the oldest go: newer ones say more."""


class _Partition:
    """Which messages of one partition have been consumed."""

    def __init__(self, place: Place) -> None:
        self._next = place.low
        self._done = set(place.done)
        self._open: Counter[int] = Counter()

    def seen(self, offset: int) -> bool:
        """Read this offset: whether it had been consumed before."""
        self._next = max(self._next, offset + 1)
        return offset in self._done

    def hold(self, offset: int, arrivals: int) -> None:
        self._open[offset] = arrivals

    def consume(self, offset: int) -> None:
        self._open[offset] -= 1
        if not self._open[offset]:
            del self._open[offset]
            self._done.add(offset)

    def place(self) -> Place:
        low = min(self._open, default=self._next)
        self._done = {offset for offset in self._done if offset >= low}
        return Place(low, tuple(sorted(self._done)))


class Inputs:
    """Holds arrivals until the final watermark of all shards has passed them.

    inputs: topics whose arrivals are wanted; of others only watermarks are taken.
    shards: how many must have passed a second before it is stepped.
    stall_us: after how long without a tick they come by the clock; None: never, so that every tick
        has all its arrivals.
    held_us: how long before its stamp a record counts at the earliest, see ``arrivals.read``.
    committed: how far an earlier run came beyond ``progress``. Its ticks come again, with what it
        had consumed and nothing else: the rest comes with the first tick after its last.
    """

    def __init__(  # noqa: PLR0913  # what never changes of a stage's inputs
        self,
        inputs: Collection[str],
        shards: int,
        *,
        interval_us: Mapping[str, int],
        progress: Progress | None = None,
        stall_us: int | None = STALL_US,
        held_us: int = 0,
        committed: Progress | None = None,
    ) -> None:
        progress = progress or Progress()
        self._consumed = Consumed(committed or progress)
        self.now_us = progress.now_us
        self._arrived_us = progress.arrived_us
        self._stall_us = stall_us
        self._held_us = held_us
        self._inputs = frozenset(inputs)
        self._marking = (self._inputs & BLOCKS) or frozenset({"windows"})
        self._shards = shards
        self._interval_us = interval_us
        self._marks: dict[Source, int] = {}
        self._held: list[tuple[int, int, str, Arrival, Source, int]] = []
        self._partitions = {
            (topic, int(number)): _Partition(place)
            for (topic, _, number), place in (
                (name.rpartition("/"), place) for name, place in progress.places.items()
            )
        }
        self._passed_us = 0
        """The last second that all shards have passed."""
        self._early: deque[Arrival] = deque(maxlen=MAX_EARLY)
        self._moved_us: int | None = None
        self._stalled_us = 0

    @property
    def silent_until_us(self) -> int:
        """The last tick of an earlier run: what comes of this one and those before was written."""
        return self._consumed.until_us

    @property
    def topics(self) -> tuple[str, ...]:
        """Everything that has to be read."""
        return tuple(sorted(self._inputs | self._marking))

    @property
    def watermark_us(self) -> int | None:
        """Of all shards, over all topics that carry one; None until each has been heard of."""
        if len(self._marks) < self._shards * len(self._marking):
            return None
        return min(self._marks.values())

    def add(self, message: Message, clock_us: int) -> DeadLetter | None:
        """Take in one message; what cannot be read comes back as a dead letter."""
        source = (message.topic, message.partition)
        partition = self._partitions.setdefault(source, _Partition(Place(0)))
        if partition.seen(message.offset):
            return None
        again = self._consumed.has(source, message.offset)
        found = read(message, interval_us=self._interval_us, held_us=self._held_us)
        mark = found.watermark
        if mark is not None and mark.topic in self._marking and 0 <= mark.shard < self._shards:
            key = (mark.topic, mark.shard)
            self._marks[key] = max(mark.at_us, self._marks.get(key, 0))
        if found.arrivals and message.topic in self._inputs:
            partition.hold(message.offset, len(found.arrivals))
            replaying = self.now_us < self._consumed.until_us
            since_us = self._consumed.until_us if replaying and not again else 0
            for arrival in found.arrivals:
                at_us = min(arrival.at_us, clock_us + FAR_FUTURE_US)
                due_us = max(since_us, at_us)
                held = (due_us, at_us, arrival.id, arrival, source, message.offset)
                heapq.heappush(self._held, held)
        return None if again else found.dead

    def add_early(self, arrival: Arrival) -> None:
        """Handed out with the next tick; it counts for no progress."""
        self._early.append(arrival)

    def wary(self, clock_us: int) -> bool:
        """No tick has come of the watermark for two seconds."""
        return self._moved_us is not None and clock_us - self._moved_us >= WARY_US

    @property
    def full(self) -> bool:
        return len(self._held) >= MAX_HELD

    def held_back(self) -> set[Source]:
        """Partitions not to be read now: of shards far ahead, and records when there is no room."""
        floor_us = max(self.now_us, self.watermark_us or 0)
        ahead = {source for source, mark in self._marks.items() if mark > floor_us + AHEAD_US}
        records = {source for source in self._partitions if source[0] not in self._marking}
        return (ahead if floor_us else set()) | (records if self.full else set())

    def ready(self, clock_us: int) -> bool:
        """Whether a tick is due: first, all that has been written by now is to be added."""
        self._move(clock_us)
        following = self._next_us()
        return (following is not None and following <= self._passed_us) or self._stalls(clock_us)

    def due(self, clock_us: int) -> list[Tick]:
        """The next ticks, oldest first, at most fifty: ask again until there are none."""
        self._move(clock_us)
        if ticks := list(islice(self._ticks(), TICKS_AT_ONCE)):
            return ticks
        if not self._stalls(clock_us):
            return []
        self._stalled_us = clock_us
        now_us = max(self.now_us + SECOND_US, _second(clock_us - STALL_LAG_US))
        return [self._tick(now_us, stalled=True)]

    def _move(self, clock_us: int) -> None:
        """To the second that the watermark has passed."""
        if self._moved_us is None:
            self._moved_us = clock_us
        watermark_us = self.watermark_us
        if watermark_us is not None and _second(watermark_us) > self._passed_us:
            # A second of progress buys no more patience than that: what the broker takes back of a
            # dead writer's transaction lets the watermark move a little, and then it stands again.
            moved_us = self._moved_us + _second(watermark_us) - self._passed_us
            self._passed_us, self._moved_us = _second(watermark_us), min(clock_us, moved_us)

    def _stalls(self, clock_us: int) -> bool:
        """A tick by the clock is due."""
        if self._stall_us is None or self._moved_us is None:
            return False
        quiet_us = clock_us - self._moved_us
        return quiet_us >= self._stall_us and clock_us - self._stalled_us >= SECOND_US

    def progress(self) -> Progress:
        places = {
            f"{topic}/{number}": partition.place()
            for (topic, number), partition in sorted(self._partitions.items())
        }
        return Progress(now_us=self.now_us, arrived_us=self._arrived_us, places=places)

    def _ticks(self) -> Iterator[Tick]:
        while (at_us := self._next_us()) is not None and at_us <= self._passed_us:
            yield self._tick(at_us)

    def _next_us(self) -> int | None:
        """The next second to be stepped once the watermark has passed it."""
        found: list[int] = []
        if self._held:
            found.append(max(_second(self._held[0][0]), self.now_us) + SECOND_US)
        if self._arrived_us:
            following = self.now_us + SECOND_US
            lonely = following > self._arrived_us + EVERY_SECOND_US
            found.append(-(-following // MINUTE_US) * MINUTE_US if lonely else following)
        return min(found, default=None)

    def _tick(self, now_us: int, *, stalled: bool = False) -> Tick:
        self.now_us = now_us
        arrivals = tuple(self._passed(now_us))
        if arrivals:
            self._arrived_us = now_us
        if now_us > self._consumed.until_us:
            arrivals += tuple(self._early)
            self._early.clear()
        return Tick(now_us=now_us, arrivals=arrivals, stalled=stalled)

    def _passed(self, now_us: int) -> Iterator[Arrival]:
        while self._held and self._held[0][0] < now_us:
            *_, arrival, source, offset = heapq.heappop(self._held)
            self._partitions[source].consume(offset)
            yield arrival


def _second(at_us: int) -> int:
    return at_us // SECOND_US * SECOND_US
