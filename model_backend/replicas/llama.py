"""A llama.cpp replica: the OpenAI API of a small real model, its tokens paced to a declared cap."""

import asyncio
import os
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web

from model_backend.replicas.base import (
    ReplicaMetrics,
    ReplicaOptions,
    json_response,
    problem,
    read_object,
)
from model_backend.replicas.llama_engine import LlamaEngine, default_model_path
from model_backend.replicas.pacing import Pacer
from model_backend.replicas.sleeping import Sleeping
from streams.errors import InvalidParameterError

WAITING_PER_SLOT: Final = 8
"""So many requests wait for each slot; the next one gets 503."""
BURST_S: Final = 0.25
"""Tokens the engine was late with may follow at once, up to this much of the cap."""
MAX_LINE_BYTES: Final = 1_048_576
MAX_WORD: Final = 64
METRICS_TIMEOUT: Final = aiohttp.ClientTimeout(total=0.7)
NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None)
DEMO_VARIABLE: Final = "TIDEGATE_DEMO"


class LlamaReplica:
    """llama.cpp with a small real model, as a replica of a capped GPU node would behave.

    At most ``slots`` requests are served at once, each at its share of ``--cap-tokens-per-s``: a
    replica that is not full does not answer faster, as one bound by memory bandwidth does not. The
    engine may compute a little ahead. A client that leaves cancels its generation.
    """

    @staticmethod
    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument("--model-path", default="", help="GGUF file; default: packaged Gemma 3")
        parser.add_argument("--cap-tokens-per-s", type=float, default=0.0, help="demo cap, 0: none")
        parser.add_argument("--context-tokens", type=int, default=1024, help="per slot")

    def __init__(self, options: ReplicaOptions, arguments: Namespace) -> None:
        self.metrics = ReplicaMetrics(options)
        self._options = options
        # Its share of the cap and what slows every stream down; each stream gets its own of it.
        self._pace = Pacer(tokens_per_s=arguments.cap_tokens_per_s / options.slots, burst_s=BURST_S)
        self.metrics.declare(
            "tidegate_demo_cap_tokens_per_s",
            "tokens per second this replica is held to, 0 for no cap",
            arguments.cap_tokens_per_s,
        )
        path = Path(arguments.model_path) if arguments.model_path else default_model_path()
        self._engine = LlamaEngine(
            path, alias=options.model, slots=options.slots, context_tokens=arguments.context_tokens
        )
        self._slots = asyncio.Semaphore(options.slots)
        self._waiting = self._serving = 0
        self._sleeping = Sleeping(
            busy=lambda: bool(self._waiting or self._serving),
            unload=lambda: asyncio.to_thread(self._engine.close),
            load=self._engine.start,
        )
        self._word = ""
        """Said instead of every token, as by a GPU that computes NaN; empty for what is right."""
        self._upstream: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        # A connection that is kept may be closed by the engine just as a request goes out on it.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._upstream = aiohttp.ClientSession(
            connector=connector, timeout=NO_TIMEOUT, read_bufsize=MAX_LINE_BYTES
        )
        await self._engine.start()

    def routes(self) -> list[web.RouteDef]:
        served = [
            web.post("/v1/chat/completions", self._generate),
            web.post("/v1/completions", self._generate),
            web.get("/v1/models", self._models),
            *self._sleeping.routes(),
        ]
        if os.environ.get(DEMO_VARIABLE) == "1":
            served.append(web.post("/demo/delay", self._delay))
            served.append(web.post("/demo/say", self._say))
        return served

    async def exposition(self) -> str:
        try:
            url = f"{self._engine.address}/metrics"
            async with self._client.get(url, timeout=METRICS_TIMEOUT) as answer:
                return await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            # Its own metrics wait behind a busy engine; ours say that we are there.
            return ""

    async def close(self) -> None:
        if self._upstream:
            await self._upstream.close()

    @property
    def _client(self) -> aiohttp.ClientSession:
        assert self._upstream is not None  # noqa: S101 - no route is open before `start` is over
        return self._upstream

    async def _models(self, _: web.Request) -> web.Response:
        model = {"id": self._options.model, "object": "model", "created": 0, "owned_by": "tidegate"}
        return json_response({"object": "list", "data": [model]})

    async def _delay(self, request: web.Request) -> web.Response:
        body = await read_object(request) or {}
        try:
            self._pace.extra_s = float(body.get("extra_s_per_token", "nothing"))
        except (InvalidParameterError, TypeError, ValueError) as exc:
            return problem(400, f"extra_s_per_token: {exc}")
        return json_response({"extra_s_per_token": self._pace.extra_s})

    async def _say(self, request: web.Request) -> web.Response:
        self._word = str((await read_object(request) or {}).get("word", ""))[:MAX_WORD]
        return json_response({"word": self._word})

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await read_object(request)
        if body is None:
            return problem(400, "the body must be a JSON object")
        if self._waiting >= WAITING_PER_SLOT * self._options.slots:
            return problem(503, f"{self._options.name} is full", kind="service_unavailable")
        if self._sleeping.asleep:
            return problem(503, f"{self._options.name} is asleep", kind="service_unavailable")
        url = f"{self._engine.address}{request.path}"
        async with self._slot(), self._client.post(url, json=body) as upstream:
            if upstream.status == 200 and upstream.content_type == "text/event-stream":
                answer = await self._stream(request, upstream)
            else:
                answer = await self._whole(upstream)
            self.metrics.finished.inc(answer.status == 200)
            return answer

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        self._waiting += 1
        self.metrics.waiting.set(self._waiting)
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
            self.metrics.waiting.set(self._waiting)
        self._serving += 1
        self.metrics.running.inc()
        try:
            yield
        finally:
            self._serving -= 1
            self.metrics.running.dec()
            self._slots.release()

    async def _whole(self, upstream: aiohttp.ClientResponse) -> web.Response:
        """The engine's answer, held back until its tokens would have left one by one."""
        raw = await upstream.read()
        if upstream.status == 200:
            pacer = self._pace.for_stream()
            for _ in range(_completion_tokens(raw)):
                await self._one_token(pacer)
            raw = said(raw, self._word * _completion_tokens(raw)) if self._word else raw
        return web.Response(body=raw, status=upstream.status, content_type=upstream.content_type)

    async def _stream(
        self, request: web.Request, upstream: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """The engine's events, each that carries a token at its time."""
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        answer.headers["Cache-Control"] = "no-cache"
        await answer.prepare(request)
        pacer = self._pace.for_stream()
        async for line in upstream.content:
            if _carries_token(line):
                await self._one_token(pacer)
                line = said(line, self._word) if self._word else line  # noqa: PLW2901
            await answer.write(line)
        await answer.write_eof()
        return answer

    async def _one_token(self, pacer: Pacer) -> None:
        pacer.extra_s = self._pace.extra_s
        now_s = asyncio.get_running_loop().time()
        await asyncio.sleep(pacer.reserve(now_s) - now_s)
        self.metrics.output_tokens.inc()


class _Usage(msgspec.Struct):
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    usage: _Usage | None = None
    choices: list[dict[str, Any]] = []


def _decode(raw: bytes) -> _Answer:
    try:
        return msgspec.json.decode(raw, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Answer()


def _completion_tokens(raw: bytes) -> int:
    usage = _decode(raw).usage
    return usage.completion_tokens if usage else 0


def said(raw: bytes, text: str) -> bytes:
    r"""An answer, or a line of a stream, with another text in it.

    >>> said(b'data: {"choices":[{"text":"Hi"}]}\n', "!")
    b'data: {"choices":[{"text":"!"}]}\n'
    """
    data = b"data: " if raw.startswith(b"data: ") else b""
    answer = msgspec.json.decode(raw.removeprefix(data))
    for choice in answer["choices"]:
        for name in ("text", "content"):
            for part in (choice, choice.get("delta"), choice.get("message")):
                if part and part.get(name):
                    part[name] = text
    return data + msgspec.json.encode(answer) + (b"\n" if data else b"")


def _carries_token(line: bytes) -> bool:
    """Whether a line of the event stream hands text to the client."""
    if not line.startswith(b"data: {"):
        return False
    choices = _decode(line.removeprefix(b"data: ")).choices
    return any(
        choice.get("text") or (choice.get("delta") or {}).get("content") for choice in choices
    )
