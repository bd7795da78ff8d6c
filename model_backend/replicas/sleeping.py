"""The sleep mode of a replica of ours, by the verbs of vLLM: orders in, the engine's state out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from model_backend.replicas.base import json_response, problem

LEVELS: Final = ("1", "2")


class Sleeping:
    """Asleep it serves nothing: at level 1 its engine stays as it is, at level 2 it is unloaded.

    busy: whether requests are being served; then it stays awake.
    """

    def __init__(
        self,
        *,
        busy: Callable[[], bool],
        unload: Callable[[], Awaitable[None]],
        load: Callable[[], Awaitable[None]],
    ) -> None:
        self.asleep = False
        self._busy, self._unload, self._load = busy, unload, load
        self._unloaded = False
        self._turn = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/sleep", self._sleep),
            web.post("/wake_up", self._wake_up),
            web.get("/is_sleeping", self._is_sleeping),
            # Of level 2 in vLLM, where waking takes three steps; here it is all done by the first.
            web.post("/collective_rpc", self._done),
            web.post("/reset_prefix_cache", self._done),
        ]

    async def _sleep(self, request: web.Request) -> web.Response:
        level = request.query.get("level", "1")
        if level not in LEVELS:
            return problem(400, f"level must be 1 or 2, got {level[:20]}")
        async with self._turn:
            if self._busy():
                return problem(409, "requests are being served")
            self.asleep = True
            if level == "2" and not self._unloaded:
                self._unloaded = True
                await self._unload()
        return json_response({})

    async def _wake_up(self, _: web.Request) -> web.Response:
        async with self._turn:
            if self._unloaded:
                await self._load()
                self._unloaded = False
            self.asleep = False
        return json_response({})

    async def _is_sleeping(self, _: web.Request) -> web.Response:
        return json_response({"is_sleeping": self.asleep})

    async def _done(self, _: web.Request) -> web.Response:
        return json_response({})
