"""Partitions as the broker gives them in, one order for all messages out: that of their stamps.

What two readers make of the same topics must be the same: by stamp, then topic, partition, offset.
Where the stamps of a partition go back, the newest so far counts: its own order is never changed.
"""

import heapq
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from typing import Final

from streams.batch import Message
from streams.reader import Source, TopicReader
from streams.settings import StreamSettings

CROWD: Final = 20_000
"""Messages of a partition that wait for those of others; then it is not read for a while."""
POLL_S: Final = 0.5


class Ordering:
    """Holds messages until nothing older can come from any source that is still open."""

    def __init__(self, sources: Collection[Source]) -> None:
        self._open = set(sources)
        self._held: list[tuple[int, Source, int, Message]] = []
        self._count: Counter[Source] = Counter()
        self._newest_us: Counter[Source] = Counter()

    def add(self, message: Message) -> None:
        """In the order of its partition."""
        source = (message.topic, message.partition)
        at_us = self._newest_us[source] = max(self._newest_us[source], message.timestamp_us)
        self._count[source] += 1
        heapq.heappush(self._held, (at_us, source, message.offset, message))

    def close(self, source: Source) -> None:
        """Nothing more will come of it."""
        self._open.discard(source)

    def ready(self) -> Iterator[Message]:
        """What can be given out now."""
        waiting = {source for source in self._open if not self._count[source]}
        while self._held and not waiting:
            _, source, _, message = heapq.heappop(self._held)
            self._count[source] -= 1
            if source in self._open and not self._count[source]:
                waiting.add(source)
            yield message

    def crowded(self) -> set[Source]:
        return {source for source, count in self._count.items() if count >= CROWD}


async def read_ordered(
    settings: StreamSettings, topics: Sequence[str], *, since_us: int | None = None
) -> AsyncIterator[Message]:
    """What these topics (names without prefix) hold by now, stamped ``since_us`` or later.

    Raises BrokerUnavailableError if the broker or a topic is not there within 20 s.
    """
    async with TopicReader(settings, topics, since_us=since_us) as reader:
        opened, behind = reader.sources, reader.behind
        ordering = Ordering(opened)
        while behind:
            reader.hold(ordering.crowded() | (opened - behind))
            for message in await reader.poll(POLL_S):
                # A broker may find a time's place only to the batch: some lie before it.
                early = message.timestamp_us < (since_us or 0)
                if (message.topic, message.partition) in behind and not early:
                    ordering.add(message)
            behind = reader.behind
            for source in opened - behind:
                ordering.close(source)
            for message in ordering.ready():
                yield message
