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

PERIOD_S: Final = 0.1


async def peek(settings: StreamSettings, series_kind: str, inputs: Inputs, clock: Clock) -> None:
    """While the final watermark of ``inputs`` stands still, add the newest deltas of a kind.

    Read uncommitted, from where it came to stand: an INGEST that died inside a transaction holds
    back everybody else, and what WATCH has not taken does not matter, only what is the case now.
    """
    while True:
        try:
            # Open and idle meanwhile: connecting takes longer than the start of a stall allows.
            async with TopicReader(
                settings, ["partials"], start="latest", isolation_level="read_uncommitted"
            ) as reader:
                await _look(reader, series_kind, inputs, clock)
        except (KafkaError, BrokerUnavailableError) as exc:
            log.debug("nothing_to_see", error=str(exc))
            await asyncio.sleep(PERIOD_S)


async def _look(reader: TopicReader, series_kind: str, inputs: Inputs, clock: Clock) -> None:
    while True:
        reader.hold(reader.sources)
        while not inputs.wary(clock()):  # noqa: ASYNC110  # so says the clock, nobody tells
            await asyncio.sleep(PERIOD_S)
        await reader.go_to(clock() - WARY_US)
        reader.hold(())
        while inputs.wary(clock()):
            for message in (await reader.poll(PERIOD_S))[-MAX_EARLY:]:
                if (arrival := glimpse(message, series_kind)) is not None:
                    inputs.add_early(arrival)
