"""The engines' own metrics, fetched from every replica at once."""

import asyncio
from collections.abc import Sequence
from typing import Final

import aiohttp

from streams.log import get_logger
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import EngineSample
from streams.sources.engines import WANTED, EngineMeter, read_engine
from streams.sources.prometheus_text import MAX_BYTES, parse

TIMEOUT_S: Final = 0.8
"""Shorter than the interval, so that a frozen replica is found silent each second."""

log = get_logger(__name__)


class ScrapeSource:
    """GET /metrics of each replica; no answer within 0.8 s is ``up=0``."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._meters: dict[str, EngineMeter] = {}
        self._client: aiohttp.ClientSession | None = None

    async def read(self, replicas: Sequence[ReplicaStatus], now_us: int) -> Sequence[EngineSample]:
        if self._client is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout_s)
            self._client = aiohttp.ClientSession(
                timeout=timeout, connector=aiohttp.TCPConnector(limit=0)
            )
        names = {_key(replica) for replica in replicas}
        self._meters = {key: meter for key, meter in self._meters.items() if key in names}
        return await asyncio.gather(*(self._scrape(self._client, r, now_us) for r in replicas))

    async def close(self) -> None:
        if self._client:
            await self._client.close()
            self._client = None

    async def _scrape(
        self, client: aiohttp.ClientSession, replica: ReplicaStatus, now_us: int
    ) -> EngineSample:
        meter = self._meters.setdefault(
            _key(replica),
            EngineMeter(cluster=replica.cluster, pool=replica.pool, replica=replica.replica),
        )
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            text = await _fetch(client, replica)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return meter.silent(now_us, loop.time() - began_s)
        scrape_s = loop.time() - began_s
        page = parse(text, wanted=WANTED)
        if page.broken or page.cut:
            log.warning(
                "metrics_unreadable", replica=_key(replica), broken=page.broken, cut=page.cut
            )
        return meter.sample(read_engine(page.samples), now_us, scrape_s)


async def _fetch(client: aiohttp.ClientSession, replica: ReplicaStatus) -> bytes:
    async with client.get(replica.metrics_address or f"{replica.address}/metrics") as answer:
        answer.raise_for_status()
        text = bytearray()
        async for chunk in answer.content.iter_any():
            text += chunk
            if len(text) > MAX_BYTES:
                break
        return bytes(text)


def _key(replica: ReplicaStatus) -> str:
    return f"{replica.cluster}/{replica.pool}/{replica.replica}"
