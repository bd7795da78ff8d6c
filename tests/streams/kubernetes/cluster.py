"""As much of the Kubernetes API as watching needs, over real HTTP, and objects to put there."""

import asyncio
import copy
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Json = dict[str, Any]
DEPLOYMENTS = "/apis/apps/v1/namespaces/models/deployments"
PODS = "/api/v1/namespaces/models/pods"
NODES = "/api/v1/nodes"
NOON = "2026-01-01T12:00:00Z"
NOON_US = 1_767_268_800_000_000


class Cluster:
    """Objects by path; each put or deletion is an event that watches tell from a version on."""

    def __init__(self, *, page: int = 500) -> None:
        self.version = 7
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.forgotten = 0
        """Watches from before this version are answered with 410."""
        self.refused: set[str] = set()
        """Paths that are answered with 403."""
        self._page = page
        self._objects: defaultdict[str, dict[str, Json]] = defaultdict(dict)
        self._events: list[tuple[int, str, bytes]] = []
        self._news = asyncio.Condition()
        self._questions = asyncio.Condition()
        self._watches: set[web.StreamResponse] = set()

    def hold(self, path: str, *objects: Json) -> None:
        """There from the beginning."""
        for each in objects:
            self._objects[path][each["metadata"]["uid"]] = each

    def lose(self, path: str, each: Json) -> None:
        """Gone, without a word."""
        del self._objects[path][each["metadata"]["uid"]]

    async def put(self, path: str, each: Json) -> None:
        uid = each["metadata"]["uid"]
        what = "MODIFIED" if uid in self._objects[path] else "ADDED"
        self._objects[path][uid] = each
        await self._tell(path, what, each)

    async def delete(self, path: str, each: Json) -> None:
        self.lose(path, each)
        await self._tell(path, "DELETED", each)

    async def say(self, path: str, line: bytes) -> None:
        """These bytes, to those who watch now."""
        self.version += 1
        await self._append(path, line)

    async def cut(self) -> None:
        """Every watch ends in the middle of a line."""
        for answer in list(self._watches):
            await answer.write(b'{"type": "MODIFIED", "object": {"meta')
            answer.force_close()
            if (answer_to := answer._req) is not None and answer_to.transport:
                answer_to.transport.close()

    async def was_asked(self, times: int, query: str = "", *, within_s: float = 5) -> None:
        """So often, with this among the query."""
        async with asyncio.timeout(within_s), self._questions:
            while sum(not query or query in asked for _, asked, _ in self.asked) < times:
                await self._questions.wait()

    async def _tell(self, path: str, what: str, each: Json) -> None:
        self.version += 1
        each = copy.deepcopy(each)
        each["metadata"]["resourceVersion"] = str(self.version)
        await self._append(path, json.dumps({"type": what, "object": each}).encode() + b"\n")

    async def _append(self, path: str, line: bytes) -> None:
        async with self._news:
            self._events.append((self.version, path, line))
            self._news.notify_all()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        self.asked.append((request.path, query, request.headers.get("Authorization", "")))
        async with self._questions:
            self._questions.notify_all()
        if request.path in self.refused:
            return web.json_response({"kind": "Status", "code": 403}, status=403)
        if "watch" not in query:
            return self._list(request.path, query)
        if int(query["resourceVersion"]) < self.forgotten:
            return web.json_response({"kind": "Status", "code": 410}, status=410)
        return await self._watch(request, int(query["resourceVersion"]))

    def _list(self, path: str, query: Json) -> web.Response:
        start = int(query.get("continue") or 0)
        objects = list(self._objects[path].values())
        rest = str(start + self._page) if len(objects) > start + self._page else ""
        meta = {"resourceVersion": str(self.version), "continue": rest}
        return web.json_response(
            {"metadata": meta, "items": objects[start : start + self._page] or None}
        )

    async def _watch(self, request: web.Request, version: int) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        self._watches.add(answer)
        told = 0
        try:
            while True:
                async with self._news:
                    while len(self._events) == told:
                        await self._news.wait()
                    news, told = self._events[told:], len(self._events)
                for at, path, line in news:
                    if at > version and path == request.path:
                        await answer.write(line)
        finally:
            self._watches.discard(answer)


@asynccontextmanager
async def serving(cluster: Cluster) -> AsyncIterator[str]:
    """The address of its API."""
    app = web.Application()
    app.router.add_get("/{path:.*}", cluster.answer)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


def deployment(*args: str, generation: int = 1, **but: Any) -> Json:
    """`chat`, two pods of vLLM, rolled out."""
    replicas, updated = but.pop("replicas", 2), but.pop("updated", None)
    updated = replicas if updated is None else updated
    entry = {
        "manager": but.pop("manager", "helm"),
        "operation": "Update",
        "time": but.pop("at", NOON),
    }
    return {
        "metadata": {
            "name": "chat", "namespace": "models", "uid": "d-1", "generation": generation,
            "creationTimestamp": "2025-12-01T00:00:00Z", "managedFields": [entry],
        },
        "spec": {"replicas": replicas, "template": template(*args, **but)},
        "status": {
            "observedGeneration": but.pop("observed", generation), "replicas": replicas,
            "updatedReplicas": updated, "availableReplicas": updated,
        },
    }  # fmt: skip


def template(*args: str, image: str = "vllm:v0.9", **but: Any) -> Json:
    container = {"name": "vllm", "image": image, "args": list(args), "env": but.get("env", [])}
    container |= but.get("container", {})
    return {
        "metadata": {
            "creationTimestamp": None,
            "labels": {"app": "chat"},
            "annotations": but.get("notes", {}),
        },
        "spec": {"containers": [container, *but.get("more", ())]},
    }


def pod(name: str = "chat-1", **but: Any) -> Json:
    """Of `chat`, on `gpu-1`, serving since yesterday."""
    ready = but.pop("ready", "2025-12-31T00:00:00Z")
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    meta = {
        "name": name, "namespace": "models", "uid": f"p-{name}", "labels": {"app": "chat"},
        "creationTimestamp": but.pop("created", "2025-12-31T00:00:00Z"),
    }  # fmt: skip
    if leaving := but.pop("leaving", ""):
        meta["deletionTimestamp"] = leaving
    container = {
        "name": "vllm",
        "restartCount": but.pop("deaths", 0),
        "lastState": but.pop("last", {}),
    }
    return {
        "metadata": meta,
        "spec": {"nodeName": but.pop("node", "gpu-1"), "containers": [{"name": "vllm"}]},
        "status": {
            "phase": but.pop("phase", "Running"), "podIP": "10.0.0.1",
            "conditions": [condition | ({"lastTransitionTime": ready} if ready else {})],
            "containerStatuses": [container],
            **but,
        },
    }  # fmt: skip


def node(*taints: tuple[str, str], cordoned: bool = False, ready: str = "True") -> Json:
    """`gpu-1`."""
    return {
        "metadata": {
            "name": "gpu-1", "uid": "n-1", "resourceVersion": "7",
            "managedFields": [{"manager": "kubectl", "operation": "Update", "time": NOON}],
        },
        "spec": {
            **({"unschedulable": True} if cordoned else {}),
            "taints": [{"key": key, "effect": effect} for key, effect in taints],
        },
        "status": {
            "conditions": [
                {"type": "MemoryPressure", "status": "False"},
                {"type": "Ready", "status": ready, "reason": "KubeletNotReady",
                 "message": "kubelet stopped posting", "lastTransitionTime": NOON},
            ]
        },
    }  # fmt: skip
