"""A door in front of an engine that is only a clock: what tidegate profile sees of it is known."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from autoscaler.engine import Engine


class EngineDoor:
    """Steps of a known engine in real time, behind the OpenAI API."""

    def __init__(self, engine: Engine, *, metrics: str = "") -> None:
        self.engine = engine
        self.metrics = metrics
        self._slots = asyncio.Semaphore(engine.slots)
        self._waiting: list[tuple[int, asyncio.Queue[int]]] = []
        self._answering: list[tuple[int, asyncio.Queue[int]]] = []

    async def run(self) -> None:
        while True:
            prompts, self._waiting = self._waiting, []
            answers = list(self._answering)
            if not prompts and not answers:
                await asyncio.sleep(0.001)
                continue
            read, held = sum(tokens for tokens, _ in prompts), sum(tokens for tokens, _ in answers)
            await asyncio.sleep(self.engine.takes_s(read, len(answers), held))
            for _, tokens in prompts + answers:
                tokens.put_nowait(1)
            self._answering += prompts

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        prompt = len(body["messages"][0]["content"].split())
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        async with self._slots:
            tokens: asyncio.Queue[int] = asyncio.Queue()
            entry = (prompt, tokens)
            self._waiting.append(entry)
            for _ in range(body["max_tokens"]):
                await tokens.get()
                await answer.write(event({"choices": [{"delta": {"content": "x"}}]}))
            if entry in self._answering:
                self._answering.remove(entry)
        usage = {"prompt_tokens": prompt, "completion_tokens": body["max_tokens"]}
        await answer.write(event({"choices": [], "usage": usage}))
        return answer

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "small"}]})

    async def page(self, _: web.Request) -> web.Response:
        return web.Response(text=self.metrics)


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


@asynccontextmanager
async def opened(*routes: web.RouteDef) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
