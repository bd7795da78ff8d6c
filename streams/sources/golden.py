"""Questions with a known answer to each replica, how many of them it answers rightly out."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from streams.clock import SECOND_US
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import EngineSample
from streams.sources.access import Access
from streams.sources.settings import GoldenSettings

AT_ONCE: Final = 8
"""Replicas asked at the same time; their own work comes first."""


@dataclass(slots=True)
class _Round:
    """What a replica answered last."""

    since_us: int
    """Its ``ReplicaStatus.since_us``: another one under the same name is asked anew."""
    asked_us: int
    ratio: float | None = None


class GoldenSource:
    """Asks every ready replica all prompts at temperature 0, once per ``every_s``.

    ``golden_ratio``: share of its answers that contain what was expected. An answer that does not
    come counts for nothing here: that a replica is silent or late is found by other means.

    access: who we are to the replicas of our pools.
    """

    def __init__(self, settings: GoldenSettings, access: Access) -> None:
        self._settings = settings
        self._access = access
        self._rounds: dict[tuple[str, str, str], _Round] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._client: aiohttp.ClientSession | None = None

    async def read(self, replicas: Sequence[ReplicaStatus], now_us: int) -> Sequence[EngineSample]:
        ready = {_key(one): one for one in replicas if one.state == "ready" and one.address}
        self._rounds = {key: known for key, known in self._rounds.items() if key in ready}
        every_us = round(self._settings.every_s * SECOND_US)
        for key, replica in ready.items():
            known = self._rounds.get(key)
            if known is None or known.since_us != replica.since_us:
                known = self._rounds[key] = _Round(replica.since_us, 0)
            if now_us - known.asked_us >= every_us:
                known.asked_us = now_us
                self._start(replica, known)
        return [
            EngineSample(
                at_us=now_us,
                cluster=cluster,
                pool=pool,
                replica=replica,
                golden_ratio=known.ratio,
            )
            for (cluster, pool, replica), known in self._rounds.items()
            if known.ratio is not None
        ]

    async def close(self) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def _start(self, replica: ReplicaStatus, known: _Round) -> None:
        task = asyncio.create_task(self._ask_all(replica.address.rstrip("/"), known))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask_all(self, address: str, known: _Round) -> None:
        async with self._turn:
            answers = [await self._answer(address, one.prompt) for one in self._settings.prompts]
        right = [
            golden.expect.casefold() in answer.casefold()
            for golden, answer in zip(self._settings.prompts, answers, strict=True)
            if answer is not None
        ]
        known.ratio = sum(right) / len(right) if right else None

    async def _answer(self, address: str, prompt: str) -> str | None:
        """None if there is no answer."""
        try:
            models = await self._json("GET", f"{address}/v1/models")
            body = {
                "model": models["data"][0]["id"],
                "prompt": prompt,
                "max_tokens": self._settings.max_tokens,
                "temperature": 0,
            }
            answer = await self._json("POST", f"{address}/v1/completions", body)
            return str(answer["choices"][0]["text"])
        except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError):
            return None

    async def _json(self, method: str, url: str, body: Any = None) -> Any:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s)
            )
        shown = await self._access.shown()
        async with self._client.request(
            method, url, json=body, headers=shown.headers, ssl=shown.tls, allow_redirects=False
        ) as answer:
            answer.raise_for_status()
            return await answer.json(content_type=None)


def _key(replica: ReplicaStatus) -> tuple[str, str, str]:
    return replica.cluster, replica.pool, replica.replica
