"""Questions to a topic's past: read from a moment on, until whoever asks has enough."""

import asyncio
from collections.abc import Callable
from typing import Final

from streams.batch import Message
from streams.errors import BrokerUnavailableError
from streams.reader import TopicReader
from streams.settings import StreamSettings

POLL_S: Final = 1.0

Take = Callable[[Message], bool]
"""Whether to read on."""


class Search:
    """One question at a time: each opens a reader of its own.

    topic: without prefix. patience_s: for one question, waiting for its turn not counted.
    """

    def __init__(self, settings: StreamSettings, topic: str, *, patience_s: float) -> None:
        self._settings = settings
        self._topic = topic
        self._patience_s = patience_s
        self._turn = asyncio.Lock()

    async def read(self, take: Take, *, since_us: int = 0, partition: int | None = None) -> None:
        """What the topic, or one partition, holds by now of what was written since then.

        Raises BrokerUnavailableError if that cannot be read in time.
        """
        try:
            async with self._turn, asyncio.timeout(self._patience_s):
                await self._read(take, since_us, partition)
        except TimeoutError as exc:
            cause = f"{self._topic} could not be read in {self._patience_s:g} s"
            raise BrokerUnavailableError(self._settings.broker.url, cause) from exc

    async def _read(self, take: Take, since_us: int, partition: int | None) -> None:
        async with TopicReader(self._settings, [self._topic], since_us=since_us) as reader:
            wanted = reader.sources
            if partition is not None:
                wanted = {(self._topic, partition)}
                reader.hold(reader.sources - wanted)
            while reader.behind & wanted:
                if not all(take(message) for message in await reader.poll(POLL_S)):
                    return
