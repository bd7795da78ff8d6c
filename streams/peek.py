"""A look past a stall: the newest deltas of `partials`, for who must act before they are final."""

import asyncio
from typing import Final

from aiokafka.errors import KafkaError

from streams.arrivals import glimpse
from streams.clock import Clock
from streams.errors import BrokerUnavailableError
from streams.log import get_logger
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.ticks import MAX_EARLY, WARY_US, Inputs

log = get_logger(__name__)

PERIOD_S: Final = 0.25


async def peek(settings: StreamSettings, series_kind: str, inputs: Inputs, clock: Clock) -> None:
    """While the final watermark of ``inputs`` stands still, add the newest deltas of a kind.

    Read uncommitted, from where it came to stand: an INGEST that died inside a transaction holds
    back everybody else, and what WATCH has not taken does not matter, only what is the case now.
    """
    while True:
        await asyncio.sleep(PERIOD_S)
        if not inputs.wary(clock()):
            continue
        try:
            since_us = clock() - WARY_US
            reader = TopicReader(
                settings, ["partials"], since_us=since_us, isolation_level="read_uncommitted"
            )
            async with reader:
                while inputs.wary(clock()):
                    for message in (await reader.poll(PERIOD_S))[-MAX_EARLY:]:
                        if (arrival := glimpse(message, series_kind)) is not None:
                            inputs.add_early(arrival)
        except (KafkaError, BrokerUnavailableError) as exc:
            log.debug("nothing_to_see", error=str(exc))
