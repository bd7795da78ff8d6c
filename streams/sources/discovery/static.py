"""One target, as the line itself says."""

import asyncio
from collections.abc import Mapping

from streams.sources.discovery.base import Found
from streams.sources.targets import target


class Static:
    """`http://vllm-0:8000/metrics pool=chat`."""

    kind = "static"

    def __init__(self, url: str, labels: Mapping[str, str], cluster: str) -> None:
        self._target = target(url, labels, cluster)

    async def run(self, found: Found) -> None:
        found([self._target])
        await asyncio.Event().wait()
