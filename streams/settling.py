"""What a dead process of a stage left open at the broker in; nothing left open.

Its transaction would hold back all readers until its timeout, its place in the group keep its
partitions from the others for a session. Both are ended in its own name, under its own epoch: where
a successor has taken over already, the broker refuses, and no living owner is disturbed.
"""

import asyncio
from typing import Any, Final

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.protocol.transaction import EndTxnRequest

from streams.batched import group_id
from streams.connection import client_options
from streams.log import get_logger
from streams.pulse import Pulse
from streams.settings import StreamSettings

log = get_logger(__name__)

SETTLE_S: Final = 5.0
"""Later than this the broker's own timeouts have done it."""


async def settle(settings: StreamSettings, left: Pulse) -> None:
    """End the transactions and the membership of a process that is certainly dead.

    What cannot be settled (no broker, a broker without transactions) is left to timeouts.
    """
    client = AIOKafkaClient(**client_options(settings.broker))
    try:
        async with asyncio.timeout(SETTLE_S):
            await client.bootstrap()
            for transactional_id, producer in left.producers.items():
                abort = EndTxnRequest(transactional_id, producer.id, producer.epoch, False)
                await _tell(client, CoordinationType.TRANSACTION, transactional_id, abort)
            if left.member_id:
                group = group_id(settings, left.stage)
                leave = LeaveGroupRequest(group, left.member_id)
                await _tell(client, CoordinationType.GROUP, group, leave)
    except (TimeoutError, KafkaError, OSError) as exc:
        log.warning("not_settled", stage=left.stage, error=f"{type(exc).__name__}: {exc}")
    finally:
        await client.close()


async def _tell(client: AIOKafkaClient, kind: CoordinationType, key: str, request: Any) -> None:
    node = await client.coordinator_lookup(kind, key)
    answer = await client.send(node, request, group=ConnectionGroup.COORDINATION)
    # A refusal is as good: there was nothing open, or somebody else has settled it.
    log.info("settled", what=key, answer=for_code(answer.error_code).__name__)
