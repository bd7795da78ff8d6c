"""A gateway in this process, scripted replicas behind it, a clock that moves when told to."""

import asyncio
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from blockbuster import BlockBuster

from model_backend.gateway.app import GATEWAY, Gateway, create_gateway
from model_backend.gateway.pools_view import PoolsView
from model_backend.gateway.upstream import AiohttpUpstream, ReplicaError
from model_backend.settings import BackendSettings, GatewaySettings, KeySettings, PoolSettings
from streams.clock import SECOND_US, ManualClock
from streams.schemas.scaling import ReplicaState, ReplicaStatus
from streams.stage import Out

R = TypeVar("R", bound=msgspec.Struct)

START_US = 1_767_225_600 * SECOND_US
CHAT = {"model": "gemma", "messages": [{"role": "user", "content": "Hello"}]}
STREAM = {**CHAT, "stream": True}
VIDEO = {"model": "sora-stand-in", "prompt": "a tide", "seconds": "4", "size": "1280x720"}
KEYS = {name: {"Authorization": f"Bearer key-of-{name}"} for name in ("birch", "cedar")}
POOLS = (
    PoolSettings(name="codex", service="codex", model="gemma", slots=2, max_replicas=4),
    PoolSettings(name="sora", service="sora", model="sora-stand-in", role="job", slots=1),
)


class FakeReplica:
    """An engine that does as it is told; requests wait for its gates, which are open at first."""

    def __init__(self, name: str = "codex-1") -> None:
        self.name = name
        self.bodies: list[dict[str, Any]] = []
        self.status = 200
        self.error: dict[str, Any] = {}
        self.tokens = ["Hel", "lo"]
        self.ends_early = False
        self.well = True
        self.asked = asyncio.Event()
        """A request has come in."""
        self.left = asyncio.Event()
        """A client left before its answer was complete."""
        self.first = _open_gate()
        """Before the first byte of an answer."""
        self.middle = _open_gate()
        """After the first token of a stream."""
        self.frozen = _open_gate()
        """Closed: /health is not answered."""
        self.job_status = _open_gate()
        """Jobs are completed while this is open."""
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_post("/v1/videos", self._create)
        app.router.add_get("/v1/videos/{id}", self._show)
        app.router.add_delete("/v1/videos/{id}", self._delete)
        app.router.add_get("/v1/videos/{id}/content", self._content)
        self._server = TestServer(app)
        self.deleted: list[str] = []

    async def start(self) -> Self:
        await self._server.start_server()
        self.address = str(self._server.make_url("")).rstrip("/")
        return self

    async def stop(self) -> None:
        """As if killed: connections break, the port refuses."""
        runner = self._server.runner
        if runner is None or runner.server is None:
            return
        for connection in runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await self._server.close()

    def freeze(self) -> None:
        for gate in (self.first, self.middle, self.frozen):
            gate.clear()

    async def seen(self, number: int) -> None:
        """Wait until so many requests have come in."""
        async with asyncio.timeout(5):
            while len(self.bodies) < number:
                self.asked.clear()
                await self.asked.wait()

    async def _health(self, _: web.Request) -> web.Response:
        await self.frozen.wait()
        return web.json_response({}, status=200 if self.well else 503)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.asked.set()
        try:
            await self.first.wait()
            if self.status != 200:
                return web.json_response(self.error, status=self.status)
            return await (self._stream(request, body) if body.get("stream") else self._whole())
        except (asyncio.CancelledError, ConnectionResetError):
            self.left.set()
            raise

    async def _whole(self) -> web.Response:
        message = {"role": "assistant", "content": "".join(self.tokens)}
        return web.json_response(
            {"choices": [{"index": 0, "message": message}], "usage": self._usage()}
        )

    async def _stream(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for token in self.tokens:
            await response.write(event({"choices": [{"index": 0, "delta": {"content": token}}]}))
            await self.middle.wait()
        if self.ends_early:
            return response
        if (body.get("stream_options") or {}).get("include_usage"):
            await response.write(event({"choices": [], "usage": self._usage()}))
        await response.write(b"data: [DONE]\n\n")
        return response

    def _usage(self) -> dict[str, int]:
        return {"prompt_tokens": 7, "completion_tokens": len(self.tokens), "total_tokens": 9}

    async def _create(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        self.asked.set()
        if self.status != 200:
            return web.json_response(self.error, status=self.status)
        return web.json_response({"id": f"video_{len(self.bodies)}", "status": "queued"})

    async def _show(self, request: web.Request) -> web.Response:
        await self.first.wait()
        answer: dict[str, Any] = {"status": "in_progress", "progress": 40}
        if self.job_status.is_set():
            answer = {"status": "completed", "progress": 100}
        if self.error:
            answer = {"status": "failed", **self.error}
        return web.json_response({"id": request.match_info["id"], **answer})

    async def _delete(self, request: web.Request) -> web.Response:
        self.deleted.append(request.match_info["id"])
        return web.json_response({})

    async def _content(self, _: web.Request) -> web.Response:
        return web.Response(body=b"an MP4", content_type="video/mp4")


class Upstream(AiohttpUpstream):
    """The real client, but for the wait when a replica does not answer its probe."""

    def __init__(self, replicas: Mapping[str, FakeReplica]) -> None:
        super().__init__()
        self._replicas = replicas

    async def probe(self, address: str) -> ReplicaError | None:
        asked = (one for one in self._replicas.values() if one.address == address)
        if any(not one.frozen.is_set() for one in asked):
            return ReplicaError("no answer", silent=True)
        return await super().probe(address)


class World:
    """Everything of one test; ``async with World(...) as world``."""

    def __init__(self, *, pools: tuple[PoolSettings, ...] = POOLS, **gateway: Any) -> None:
        self.clock = ManualClock(START_US)
        self.out: list[Out] = []
        self._more = asyncio.Event()
        keys = tuple(
            KeySettings(tenant=name, key=f"key-of-{name}", requests_per_minute=60) for name in KEYS
        )
        own = GatewaySettings(**({"keys": keys, "port": 0} | gateway))
        self.settings = BackendSettings(gateway=own, pools=pools)
        self.view = PoolsView(pools, cluster="local")
        self.replicas: dict[str, FakeReplica] = {}
        app = create_gateway(
            self.settings,
            cluster="local",
            emit=self._emit,
            pools=self.view,
            clock=self.clock,
            upstream=Upstream(self.replicas),
            poll_s=0.0,
        )
        self.gateway: Gateway = app[GATEWAY]
        self._server = TestServer(app)
        self.client = TestClient(self._server)
        self._unblocked = BlockBuster("model_backend")
        self._patience = asyncio.timeout(30)  # a request that is lost fails its test

    async def __aenter__(self) -> Self:
        await self._patience.__aenter__()
        self._unblocked.activate()  # what blocks the loop is an error from here on
        await self._server.start_server()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._patience.__aexit__(kind, error, trace)
        for replica in self.replicas.values():
            for gate in (replica.first, replica.middle, replica.frozen, replica.job_status):
                gate.set()
        await self.client.close()
        for replica in self.replicas.values():
            await replica.stop()
        self._unblocked.deactivate()

    async def add(self, name: str = "codex-1") -> FakeReplica:
        """A replica that is ready."""
        replica = self.replicas[name] = await FakeReplica(name).start()
        self.say(name, "ready")
        return replica

    def say(self, name: str, state: ReplicaState) -> None:
        """What its driver says of a replica."""
        self.view.feed(
            ReplicaStatus(
                pool=name.partition("-")[0],
                replica=name,
                state=state,
                since_us=self.clock(),
                at_us=self.clock(),
                address=self.replicas[name].address,
            )
        )

    async def ask(
        self, body: object = CHAT, *, who: str = "birch", path: str = "/v1/chat/completions"
    ) -> ClientResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(path, data=data, headers=KEYS[who])

    def begin(self, body: object = CHAT, *, who: str = "birch") -> "asyncio.Task[ClientResponse]":
        """A request under way."""
        return asyncio.create_task(self.ask(body, who=who))

    def tick(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        self.gateway.tick()

    def told(self, topic: str, kind: type[R], /, **fields: object) -> list[R]:
        """Records of a topic whose fields have these values."""
        records = [one.value for one in self.out if one.topic == topic]
        return [
            record
            for record in records
            if isinstance(record, kind)
            and all(getattr(record, name) == value for name, value in fields.items())
        ]

    async def hears(self, topic: str, kind: type[R], /, **fields: object) -> R:
        """The first such record, as soon as it is there."""
        async with asyncio.timeout(5):
            while not (found := self.told(topic, kind, **fields)):
                self._more.clear()
                await self._more.wait()
        return found[0]

    async def count(self, topic: str, kind: type[R], number: int, /, **fields: object) -> None:
        """Wait until there are so many such records."""
        async with asyncio.timeout(5):
            while len(self.told(topic, kind, **fields)) < number:
                self._more.clear()
                await self._more.wait()

    async def probes(self) -> None:
        """Let the probes under way come to their end."""
        await asyncio.gather(*self.gateway.door.watch._probes)

    async def queued(self, pool: str, number: int) -> None:
        """Let the loop turn until so many wait."""
        while self.gateway.door.desks[pool].queued < number:  # noqa: ASYNC110  # a turn, no time
            await asyncio.sleep(0)

    def _emit(self, out: Out) -> bool:
        self.out.append(out)
        self._more.set()
        return True


def event(payload: object) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate
