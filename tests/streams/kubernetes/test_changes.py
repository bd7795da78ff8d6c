"""A cluster that is worked on, watched over HTTP: the changes that are told, once each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streams.clock import SECOND_US, ManualClock
from streams.errors import InvalidParameterError
from streams.schemas.telemetry import Change
from streams.sources.kubernetes.changes import KubernetesChanges
from streams.sources.settings import ScrapeSettings
from tests.streams.kubernetes.cluster import (
    DEPLOYMENTS,
    NODES,
    NOON,
    NOON_US,
    PODS,
    Cluster,
    deployment,
    node,
    pod,
    serving,
)

LINES = ("kubernetes://models?app=chat", "nodes://")
OLD = "2025-12-30T00:00:00Z"


class Told:
    """Changes, in the order in which they were told."""

    def __init__(self) -> None:
        self._changes = asyncio.Queue[Change]()

    def take(self, change: Change) -> None:
        self._changes.put_nowait(change)

    async def next(self) -> Change:
        async with asyncio.timeout(5):
            return await self._changes.get()

    def left(self) -> int:
        return self._changes.qsize()


@asynccontextmanager
async def watching(cluster: Cluster) -> AsyncIterator[Told]:
    """Once all lists have been asked for."""
    told = Told()
    async with serving(cluster) as url:
        scrape = ScrapeSettings(changes=LINES, kubernetes_api=url)
        watcher = KubernetesChanges(scrape, "here", told.take, ManualClock(NOON_US + SECOND_US))
        task = asyncio.create_task(watcher.run())
        try:
            await cluster.was_asked(5, "watch")
            yield told
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def chat() -> Cluster:
    cluster = Cluster()
    cluster.hold(DEPLOYMENTS, deployment("--a=1", at=OLD))
    cluster.hold(PODS, pod("chat-1"))
    cluster.hold(NODES, node())
    return cluster


async def test_a_rollout_from_its_beginning_to_its_end() -> None:
    cluster = chat()
    async with watching(cluster) as told:
        await cluster.put(DEPLOYMENTS, deployment("--a=2", generation=2, updated=0))
        begun = await told.next()
        await cluster.put(PODS, pod("chat-2", created=NOON, ready=NOON))
        started, ready, rolled = [await told.next() for _ in range(3)]
        await cluster.put(PODS, pod("chat-1", leaving=NOON))
        stopped = await told.next()
        await cluster.put(DEPLOYMENTS, deployment("--a=2", generation=2))
        done = await told.next()

    assert [one.kind for one in (begun, started, ready, rolled, stopped, done)] == [
        *("configured", "replica_started", "replica_ready", "deployed", "replica_stopped"),
        "deployed",
    ]
    assert rolled.summary == "chat-2 is ready, by the rollout of --a 1 -> 2"
    assert {one.pool for one in (begun, ready, stopped, done)} == {"chat"}


async def test_a_cordon_is_told_of_the_node_and_of_each_replica_there() -> None:
    cluster = chat()
    async with watching(cluster) as told:
        await cluster.put(NODES, node(cordoned=True))
        changes = [await told.next(), await told.next()]

    assert [(one.node, one.pool, one.replica) for one in changes] == [
        ("gpu-1", "", ""),
        ("gpu-1", "chat", "chat-1"),
    ]
    assert len({one.id for one in changes}) == 2


async def test_a_new_list_tells_what_was_missed_and_nothing_twice() -> None:
    cluster = chat()
    async with watching(cluster) as told:
        cluster.hold(DEPLOYMENTS, deployment("--a=2", generation=2, at=OLD, updated=0))
        cluster.lose(PODS, pod("chat-1"))
        cluster.version = cluster.forgotten = 50
        await cluster.cut()
        assert {(await told.next()).kind for _ in range(2)} == {"configured", "replica_stopped"}
        await cluster.put(NODES, node(cordoned=True))
        assert (await told.next()).kind == "node_maintenance"


async def test_other_pods_templates_and_objects_without_one_are_passed_over() -> None:
    cluster = chat()
    bare = deployment(generation=9)
    bare["metadata"]["uid"], bare["spec"] = "d-2", {}
    nonsense = deployment(generation=9)
    nonsense["metadata"]["uid"], nonsense["spec"]["template"] = "d-3", {"spec": {"containers": 7}}
    async with watching(cluster) as told:
        for each in (bare, nonsense, deployment("--a=2", generation=2)):
            await cluster.put(DEPLOYMENTS, each)
        assert (await told.next()).kind == "configured"
        assert told.left() == 0


async def test_objects_without_end_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.sources.kubernetes.compared.MAX_OBJECTS", 1)
    cluster = chat()
    async with watching(cluster) as told:
        await cluster.put(PODS, pod("chat-2", created=NOON, ready=NOON))
        await cluster.put(PODS, pod("chat-1", leaving=NOON))
        assert (await told.next()).replica == "chat-1"


async def test_what_is_deleted_is_told() -> None:
    cluster = chat()
    async with watching(cluster) as told:
        await cluster.delete(DEPLOYMENTS, deployment())
        assert (await told.next()).summary == "Deployment chat was deleted (by helm)"
        await cluster.delete(PODS, pod("chat-1"))
        assert (await told.next()).kind == "replica_stopped"
        await cluster.delete(NODES, node())
        assert (await told.next()).summary == "node gpu-1 was removed"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "http://vllm-0:8000",
        "kubernetes://models",
        "kubernetes://models?app=chat x=y",
        "nodes:// pool=a",
    ],
)
def test_a_line_that_is_none_is_said_at_start(line: str) -> None:
    with pytest.raises(InvalidParameterError, match=r"must be"):
        KubernetesChanges(ScrapeSettings(changes=(line,)), "here", print, ManualClock())
