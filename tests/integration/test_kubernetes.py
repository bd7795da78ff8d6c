"""The real API of Kubernetes, as far as it is read: changes, pods to scrape, rights, restarts.

No controller runs there: what one would write of pods and rollouts, these tests write.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict, WrappedLogger

from streams.clock import system_clock
from streams.schemas.telemetry import Change
from streams.sources.access import Access
from streams.sources.discovery import discovery
from streams.sources.kubernetes import api, changes
from streams.sources.kubernetes.api import Api, Watching, api_at
from streams.sources.kubernetes.changes import KubernetesChanges
from streams.sources.targets import Target
from tests.adopt.page import Page
from tests.services import Kubernetes
from tests.services.kubernetes_space import (
    Json,
    Space,
    deployment,
    documents,
    new_node,
    new_pod,
    rolled_out,
    serves,
)
from tests.streams.kubernetes.heard import Heard

pytestmark = pytest.mark.kubernetes
WITHIN_S = 15


@pytest.fixture
async def space(kubernetes: Kubernetes, request: pytest.FixtureRequest, tmp_path: Path) -> Space:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:50].rstrip("-")
    return await asyncio.to_thread(Space, kubernetes, name, tmp_path)


@pytest.fixture
def rights(tmp_path: Path) -> list[Json]:
    """What docs/adopt/changes.md says that we need."""
    folder = tmp_path / "page"
    folder.mkdir()
    Page("changes").lay(folder)
    return documents((folder / "rbac.yaml").read_text())


class Watched(Watching):
    """Says when its list is in."""

    lists = asyncio.Queue[str]()

    async def _watch(self, client: object) -> None:
        self.lists.put_nowait(self._kind)
        await super()._watch(client)  # type: ignore[arg-type]


@asynccontextmanager
async def agent(space: Space, *lines: str) -> AsyncIterator[asyncio.Queue[Change]]:
    """Changes as they are told, from when all lists are in."""
    told = asyncio.Queue[Change]()
    Watched.lists = asyncio.Queue()
    watcher = KubernetesChanges(space.settings(*lines), "here", told.put_nowait, system_clock)
    task = asyncio.create_task(watcher.run())
    try:
        async with asyncio.timeout(WITHIN_S):
            for _ in range(sum(1 if one.startswith("nodes") else 4 for one in lines)):
                await Watched.lists.get()
            yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _lists_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "Watching", Watched)


@asynccontextmanager
async def followed(watching: Watching) -> AsyncIterator[None]:
    task = asyncio.create_task(watching.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def next_of(told: asyncio.Queue[Change]) -> Change:
    async with asyncio.timeout(WITHIN_S):
        return await told.get()


def chat(space: Space) -> str:
    return f"kubernetes://{space.name}?app=chat"


def pods(space: Space) -> str:
    return f"/api/v1/namespaces/{space.name}/pods"


async def test_a_rollout_is_told_with_what_differs(space: Space, rights: list[Json]) -> None:
    await space.grant(*rights)
    await space.apps("POST", "deployments", deployment("vllm:v0.9", "--max-model-len=8192"))
    await rolled_out(space, 1)
    async with agent(space, chat(space)) as told:
        met = await next_of(told)
        new = deployment("vllm:v0.10", "--max-model-len=16384", HF_TOKEN="hf_secret")
        await space.apps("PATCH", "deployments/chat", new)
        begun = await next_of(told)
        await rolled_out(space, 2)
        done = await next_of(told)

    assert met.summary == "Deployment chat was created: image vllm:v0.9 (by helm)"
    assert (begun.kind, begun.actor, begun.pool) == ("deployed", "helm", "chat")
    assert "image vllm:v0.9 -> vllm:v0.10" in begun.summary
    assert "--max-model-len 8192 -> 16384" in begun.summary
    assert done.summary.startswith("the rollout of Deployment chat is done after ")
    assert "hf_secret" not in f"{begun}{done}"


async def test_pods_come_and_go_and_nodes_are_worked_on(space: Space, rights: list[Json]) -> None:
    await space.grant(*rights)
    await new_node(space, "gpu-1")
    async with agent(space, chat(space), "nodes://") as told:
        await new_pod(space, "chat-1", node="gpu-1")
        await serves(space, "chat-1", "10.0.0.1")
        begun = [(await next_of(told)).kind for _ in range(2)]
        await space.call("PATCH", "/api/v1/nodes/gpu-1", {"spec": {"unschedulable": True}})
        cordon = [await next_of(told), await next_of(told)]
        await space.core("DELETE", "pods/chat-1", {"gracePeriodSeconds": 30})
        leaves = await next_of(told)
        await space.core("DELETE", "pods/chat-1", {"gracePeriodSeconds": 0})
        await space.call("DELETE", "/api/v1/nodes/gpu-1")
        removed = await next_of(told)

    assert begun == ["replica_started", "replica_ready"]
    assert [(one.node, one.replica) for one in cordon] == [("gpu-1", ""), ("gpu-1", "chat-1")]
    assert (cordon[0].summary, cordon[0].actor) == (
        "node gpu-1 was cordoned: it gets no new pods",
        "helm",
    )
    assert (leaves.kind, leaves.replica) == ("replica_stopped", "chat-1")
    assert abs(leaves.at_us - system_clock()) < 10_000_000, "when it was asked to, not its end"
    assert removed.summary == "node gpu-1 was removed"


async def test_two_agents_tell_the_same(space: Space, rights: list[Json]) -> None:
    await space.grant(*rights)
    await space.apps("POST", "deployments", deployment("vllm:v0.9"))
    await new_node(space, "gpu-2")
    nodes = "nodes://?kubernetes.io/hostname=gpu-2"
    async with agent(space, chat(space), nodes) as one, agent(space, chat(space), nodes) as other:
        for each in (one, other):
            await next_of(each)
        await space.apps("PATCH", "deployments/chat", deployment("vllm:v0.10"))
        await space.call("PATCH", "/api/v1/nodes/gpu-2", {"spec": {"unschedulable": True}})
        told = [
            sorted([await next_of(each), await next_of(each)], key=lambda c: c.id)
            for each in (one, other)
        ]
        async with agent(space, chat(space)) as late:
            met = await next_of(late)

    assert told[0] == told[1]
    assert (met.id, met.at_us) in {(change.id, change.at_us) for change in told[0]}


async def test_pods_to_scrape_are_found_and_lost(space: Space, rights: list[Json]) -> None:
    await space.grant(*rights)
    await new_pod(space, "chat-1", port="9000")
    await new_pod(space, "chat-2")
    await serves(space, "chat-1", "10.0.0.1")
    found = asyncio.Queue[Sequence[Target]]()
    pods_ = discovery(f"{chat(space)} pool=codex", "here", space.settings())
    task = asyncio.create_task(pods_.run(found.put_nowait))
    async with asyncio.timeout(WITHIN_S):
        first = await found.get()
        await serves(space, "chat-2", "10.0.0.2")
        both = await found.get()
        await space.core("DELETE", "pods/chat-1", {"gracePeriodSeconds": 0})
        last = await found.get()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert [one.url for one in first] == ["http://10.0.0.1:9000/metrics"]
    assert {(one.url, one.pool, one.replica) for one in both} >= {
        ("http://10.0.0.2:8000/metrics", "codex", "chat-2")
    }
    assert [one.replica for one in last] == ["chat-2"]


async def test_a_watch_that_ends_goes_on_without_a_new_list(
    space: Space, rights: list[Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "WATCH_S", 1)
    await space.grant(*rights)
    heard, Watched.lists = Heard(), asyncio.Queue()
    async with followed(Watched(api_at(space.settings()), pods(space), "", heard)):
        for _ in range(3):
            await Watched.lists.get()
        await new_pod(space, "a")
        said = [await heard.next(WITHIN_S) for _ in range(2)]

    assert said == ["list ", "ADDED a"]


async def test_after_a_restart_that_forgot_the_past_all_is_listed_anew(
    space: Space, rights: list[Json]
) -> None:
    await space.grant(*rights)
    heard = Heard()
    async with followed(Watching(api_at(space.settings()), pods(space), "", heard)):
        said = [await heard.next(WITHIN_S)]
        await new_pod(space, "a")
        said.append(await heard.next(WITHIN_S))
        await space.core("POST", "configmaps", {"metadata": {"name": "moves-the-version-on"}})
        await asyncio.to_thread(space.service.pause)
        await asyncio.to_thread(space.service.etcd.compact)
        await asyncio.to_thread(space.service.resume)
        said.append(await heard.next(WITHIN_S))
        await new_pod(space, "b")
        said.append(await heard.next(WITHIN_S))

    assert said == ["list ", "ADDED a", "list a", "ADDED b"]


class Causes(asyncio.Queue[str]):
    """A processor of structlog that writes down why Kubernetes is unknown."""

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        self.put_nowait(event.get("cause", ""))
        return event


async def test_a_revoked_token_is_said_and_a_new_one_is_taken(
    space: Space, rights: list[Json]
) -> None:
    await space.grant(*rights)
    await space.revoke()
    heard, causes = Heard(), Causes()
    (known,) = space.settings().access
    door = Api(space.service.url, await asyncio.to_thread(lambda: Access(known, again_s=0.1)))
    with capture_logs(processors=[causes]):
        async with asyncio.timeout(WITHIN_S), followed(Watching(door, pods(space), "", heard)):
            cause = await causes.get()
            await space.renew()
            assert await heard.next(WITHIN_S) == "list "

    assert cause.startswith("answers 401: it does not know us")


async def test_without_the_rights_of_the_page_it_says_so(space: Space, rights: list[Json]) -> None:
    heard, causes = Heard(), Causes()
    with capture_logs(processors=[causes]):
        door = await asyncio.to_thread(api_at, space.settings())
        async with asyncio.timeout(WITHIN_S), followed(Watching(door, pods(space), "", heard)):
            cause = await causes.get()
            await space.grant(*rights)
            assert await heard.next(WITHIN_S) == "list "

    assert cause == "answers 403: the service account may not list and watch this"
