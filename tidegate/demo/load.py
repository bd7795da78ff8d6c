"""Planned requests -> HTTP through the gateway, and what came back."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

import aiohttp
import numpy as np

from streams.clock import Clock
from tidegate.demo.trace import PlannedRequest

_WORDS: Final = [
    "tide", "gate", "harbour", "lantern", "window", "kettle", "garden", "violin", "copper",
    "marble", "engine", "orchard", "pepper", "river", "signal", "timber", "velvet", "walnut",
]  # fmt: skip
_TIMEOUT: Final = aiohttp.ClientTimeout(total=150, sock_connect=5)


@dataclass(slots=True)
class Tally:
    """What the clients saw, per tenant; a failure keeps when and why (the newest 200)."""

    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    videos: int = 0
    video_bytes: int = 0

    def note_failure(self, tenant: str, at_us: int, why: str) -> None:
        self.failed[tenant] += 1
        self.failures = [*self.failures[-199:], {"at_us": at_us, "tenant": tenant, "why": why}]

    def as_json(self) -> dict[str, Any]:
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return {k: dict(v) if isinstance(v, Counter) else v for k, v in plain.items()}


class Client:
    """Tenants of the demo with their keys; every request of a tenant goes out under its own key."""

    def __init__(self, gateway: str, keys: Mapping[str, str], clock: Clock, tally: Tally) -> None:
        self._gateway = gateway
        self._keys = keys
        self._clock = clock
        self._tally = tally
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Client":
        self._session = aiohttp.ClientSession(
            timeout=_TIMEOUT, connector=aiohttp.TCPConnector(limit=512)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: PlannedRequest, number: int) -> None:
        """Send one request and take the whole answer in; outcomes end in the tally."""
        self._tally.sent[request.tenant] += 1
        at_us = self._clock()
        try:
            send = self._chat if request.service == "codex" else self._video
            await send(request, number)
        except (aiohttp.ClientError, TimeoutError, _FailedError) as exc:
            self._tally.note_failure(request.tenant, at_us, f"{type(exc).__name__}: {exc}")

    async def flood(self, tenant: str) -> int:
        """One bad request; the gateway's status."""
        self._tally.sent[tenant] += 1
        body = b'{"model": "gemma-3-270m", "messages": "not a list", "max_tokens": -1}'
        try:
            async with self._post("/v1/chat/completions", tenant, body) as answer:
                self._tally.refused[tenant] += 1
                return int(answer.status)
        except (aiohttp.ClientError, TimeoutError):
            return 0

    def _post(self, path: str, tenant: str, body: bytes) -> Any:
        headers = {**self._auth(tenant), "Content-Type": "application/json"}
        return self._http.post(self._gateway + path, data=body, headers=headers)

    def _auth(self, tenant: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys[tenant]}"}

    @property
    def _http(self) -> aiohttp.ClientSession:
        assert self._session is not None, "use `async with Client(...)`"  # noqa: S101
        return self._session

    async def _chat(self, request: PlannedRequest, number: int) -> None:
        body = {
            "model": "gemma-3-270m",
            "messages": [{"role": "user", "content": prompt(request.prompt_tokens, number)}],
            "max_tokens": request.output_tokens,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        path = "/v1/chat/completions"
        async with self._post(path, request.tenant, json.dumps(body).encode()) as answer:
            await _raise_for_status(answer)
            done = False
            async for event in _events(answer):
                if event == "[DONE]":
                    done = True
                    continue
                chunk = json.loads(event)
                if "error" in chunk:
                    raise _FailedError(str(chunk["error"].get("message", chunk["error"])))
                if usage := chunk.get("usage"):
                    self._tally.tokens += usage["completion_tokens"]
            if not done:
                raise _FailedError("the stream ended without [DONE]")
        self._tally.answered[request.tenant] += 1

    async def _video(self, request: PlannedRequest, number: int) -> None:
        body = {
            "model": "sora-stand-in",
            "prompt": prompt(12, number),
            "seconds": request.seconds,
            "size": "1280x720",
        }
        async with self._post("/v1/videos", request.tenant, json.dumps(body).encode()) as answer:
            await _raise_for_status(answer)
            job = await answer.json()
        while job["status"] in {"queued", "in_progress"}:
            await asyncio.sleep(1.0)
            url = f"{self._gateway}/v1/videos/{job['id']}"
            async with self._http.get(url, headers=self._auth(request.tenant)) as answer:
                await _raise_for_status(answer)
                job = await answer.json()
        if job["status"] != "completed":
            raise _FailedError(f"video job {job['status']}: {job.get('error')}")
        url = f"{self._gateway}/v1/videos/{job['id']}/content"
        async with self._http.get(url, headers=self._auth(request.tenant)) as answer:
            await _raise_for_status(answer)
            content = await answer.read()
        if b"ftyp" not in content[:16]:
            raise _FailedError(f"{len(content)} bytes that are no MP4")
        self._tally.videos += 1
        self._tally.video_bytes += len(content)
        self._tally.answered[request.tenant] += 1


class _FailedError(Exception):
    """The answer was not what a client may expect."""


async def replay(client: Client, requests: Iterable[PlannedRequest], stop: asyncio.Event) -> None:
    """Send each request at its time until ``stop``, then wait for the answers still under way."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    under_way: set[asyncio.Task[None]] = set()
    for number, request in enumerate(requests):
        wait_s = start + request.at_s - loop.time()
        if wait_s > 0 and await _stopped_within(stop, wait_s):
            break
        if stop.is_set():
            break
        task = asyncio.create_task(client.send(request, number))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    if under_way:
        await asyncio.wait(under_way, timeout=60)


async def _stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True


def prompt(tokens: int, number: int) -> str:
    """Ordinary words, about one token each; another number makes another prompt."""
    rng = np.random.default_rng(number)
    return " ".join(rng.choice(_WORDS, size=max(1, tokens - 3)))


async def _raise_for_status(answer: aiohttp.ClientResponse) -> None:
    if answer.status >= 400:
        text = (await answer.content.read(300)).decode(errors="replace")
        raise _FailedError(f"status {answer.status}: {text}")


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[str]:
    async for line in answer.content:
        text = line.decode().strip()
        if text.startswith("data: "):
            yield text[6:]
