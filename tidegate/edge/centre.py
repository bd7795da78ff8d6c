"""The centre's Kafka as the far end of a site's line."""

from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.batched import group_id
from streams.connection import full_name, new_consumer
from streams.settings import StreamSettings
from streams.stage import Out
from streams.transaction import Atomic, Ordered, Transaction, transactional_id

STAGE: Final = "edge"
SENT: Final = "quality"
"""The group's committed offset on partition 0 of this topic is the position of a site.

Kafka asks for the right to read the topic: here there is least to see.
"""


class Centre:
    """A ``Far``: messages and position in one transaction, under the site's own id."""

    def __init__(self, settings: StreamSettings, site: str) -> None:
        group = group_id(settings, f"{STAGE}-{site}")
        self._place = TopicPartition(full_name(settings, SENT), 0)
        self._offsets: AIOKafkaConsumer = new_consumer(settings, group_id=group)
        self._transaction: Transaction
        if settings.broker.delivery == "exactly_once":
            self._transaction = Atomic(
                settings,
                transactional_id(settings, STAGE, site, 0),
                source=self._place,
                group=group,
                told=lambda *_: None,
            )
        else:
            self._transaction = Ordered(settings, self._commit_offset)

    async def open(self) -> int | None:
        await self._transaction.open()
        await self._offsets.start()
        # Only now: what a transaction before us had decided has been settled.
        self._offsets.assign([self._place])
        found: int | None = await self._offsets.committed(self._place)
        return found

    async def commit(self, out: Sequence[Out], position: int) -> None:
        await self._transaction.commit(out, position)

    async def close(self) -> None:
        await self._transaction.close()
        await self._offsets.stop()

    async def _commit_offset(self, offset: int) -> None:
        await self._offsets.commit({self._place: offset})
