"""A pool and a moment in, the decision of then out, read from the log of decisions."""

import asyncio
from collections.abc import Callable
from typing import Final

from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import decode_record
from streams.errors import BrokerUnavailableError, CorruptMessageError
from streams.reader import TopicReader
from streams.schemas.scaling import Decision
from streams.settings import StreamSettings

BEFORE_US: Final = 120 * SECOND_US
"""A decision older than this says nothing of the moment: the planner was down."""
AFTER_US: Final = 60 * SECOND_US
"""Records are stamped when they are written, seconds after the interval they are about."""
PATIENCE_S: Final = 60.0


Take = Callable[[Message], bool]
"""Whether to read on."""


class DecisionLog:
    """One question at a time: each opens a reader of its own."""

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()

    async def at(self, pool: str, cluster: str, at_us: int) -> Decision | None:
        """The last one of the pool at ``at_us``, or in the two minutes before; else None.

        cluster: any, if empty.
        Raises BrokerUnavailableError if the log cannot be read in a minute.
        """
        found: list[Decision] = []

        def take(message: Message) -> bool:
            decision = decoded(message)
            if decision is None:
                return True
            of_pool = decision.pool == pool and cluster in {"", decision.cluster}
            if of_pool and at_us - BEFORE_US <= decision.at_us <= at_us:
                found[:] = [decision]
            return decision.at_us <= at_us + AFTER_US

        await self.read(take, since_us=max(0, at_us - BEFORE_US))
        return found[0] if found else None

    async def read(self, take: Take, *, since_us: int = 0) -> None:
        """What the log holds now and was written since then, until ``take`` has enough.

        Raises BrokerUnavailableError as ``at`` does.
        """
        try:
            async with (
                self._turn,
                asyncio.timeout(PATIENCE_S),
                TopicReader(self._settings, ["decisions"], since_us=since_us) as reader,
            ):
                while reader.behind:
                    if not all(take(message) for message in await reader.poll(1.0)):
                        return
        except TimeoutError as exc:
            cause = f"the decisions could not be read in {PATIENCE_S:g} s"
            raise BrokerUnavailableError(self._settings.broker.url, cause) from exc


def decoded(message: Message) -> Decision | None:
    """None for what is no decision."""
    try:
        return decode_record(message.value or b"", Decision)
    except CorruptMessageError:
        return None
