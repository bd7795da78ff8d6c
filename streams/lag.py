"""How far an owned stage is behind in what it reads by itself, for people and the watchdog."""

import asyncio
from typing import Final

from aiokafka.errors import KafkaError

from streams import metrics
from streams.log import get_logger
from streams.ownership import Owned
from streams.reader import TopicReader

log = get_logger(__name__)

LOOK_S: Final = 1.0


async def watch_lag(reader: TopicReader, owned: Owned) -> None:
    """Look once a second, without end; while the broker does not answer there is nothing to say."""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            lags = await reader.lags()
        except KafkaError as exc:
            log.debug("lag_unknown", stage=owned.stage, error=str(exc))
            continue
        for topic, lag in lags.items():
            metrics.LAG.labels(owned.stage, topic).set(lag)
        owned.vital.look(behind=any(lags.values()))
