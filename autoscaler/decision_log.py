"""A pool and a moment in, the decision of then out, read from the log of decisions."""

from typing import Final

from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import decode_record
from streams.errors import CorruptMessageError
from streams.schemas.scaling import Decision
from streams.search import Search, Take
from streams.settings import StreamSettings

BEFORE_US: Final = 120 * SECOND_US
"""A decision older than this says nothing of the moment: the planner was down."""
AFTER_US: Final = 60 * SECOND_US
"""Records are stamped when they are written, seconds after the interval they are about."""
PATIENCE_S: Final = 60.0


class DecisionLog:
    """What PLAN wrote down."""

    def __init__(self, settings: StreamSettings) -> None:
        self._search = Search(settings, "decisions", patience_s=PATIENCE_S)

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

        await self._search.read(take, since_us=max(0, at_us - BEFORE_US))
        return found[0] if found else None

    async def read(self, take: Take) -> None:
        """All that the log holds. Raises BrokerUnavailableError as ``at`` does."""
        await self._search.read(take)


def decoded(message: Message) -> Decision | None:
    """None for what is no decision."""
    try:
        return decode_record(message.value or b"", Decision)
    except CorruptMessageError:
        return None
