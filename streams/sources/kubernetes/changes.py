"""Rollouts, replicas and nodes of Kubernetes, watched: the API's answers in, changes out."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, Generic, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from streams.clock import Clock
from streams.errors import InvalidParameterError
from streams.metrics import KUBERNETES_SKIPPED
from streams.schemas.telemetry import Change
from streams.sources.kubernetes import nodes, pods, workloads
from streams.sources.kubernetes.api import Watching, api_at
from streams.sources.kubernetes.line import Line
from streams.sources.kubernetes.objects import NodeObject, PodObject, WorkloadObject, read
from streams.sources.kubernetes.pods import Pod
from streams.sources.settings import ScrapeSettings
from streams.sources.targets import labels_of

MAX_OBJECTS: Final = 10_000
"""Of one resource that are remembered; further ones are passed over, and counted."""
MAX_ON_NODE: Final = 64
"""Replicas of a node that are named, each in a change of its own."""

T = TypeVar("T")
Tell = Callable[[Change], object]


class Compared(Generic[T]):
    """Objects of one resource as they were: a ``Follower`` that compares.

    take: an object's JSON -> its uid and what is remembered of it; None for what is not meant.
    tell: what was, what is -> what to remember. gone: what was.
    """

    def __init__(
        self,
        resource: str,
        take: Callable[[msgspec.Raw], tuple[str, T] | None],
        tell: Callable[[T | None, T], T],
        gone: Callable[[T], object],
    ) -> None:
        self.known: dict[str, T] = {}
        self._resource = resource
        self._take = take
        self._tell = tell
        self._gone = gone

    def listed(self, objects: Sequence[msgspec.Raw]) -> None:
        taken = dict(one for each in objects if (one := self._take(each)))
        for uid in self.known.keys() - taken.keys():
            self._gone(self.known.pop(uid))
        for uid, now in taken.items():
            self._compare(uid, now)

    def event(self, what: str, found: msgspec.Raw) -> None:
        if (taken := self._take(found)) is None:
            return
        uid, now = taken
        if what != "DELETED":
            self._compare(uid, now)
        elif uid in self.known:
            self._gone(self.known.pop(uid))

    def _compare(self, uid: str, now: T) -> None:
        if uid not in self.known and len(self.known) >= MAX_OBJECTS:
            KUBERNETES_SKIPPED.labels(self._resource, "too_many").inc()
            return
        self.known[uid] = self._tell(self.known.get(uid), now)


class KubernetesChanges:
    """Lines of ``scrape.changes``: `kubernetes://default?app=vllm pool=chat` watches what runs such
    pods, and the pods; `nodes://` watches nodes, `nodes://?label=value` some of them.

    tell: gets each change; never waits.
    """

    def __init__(
        self,
        scrape: ScrapeSettings,
        cluster: str,
        tell: Tell,
        clock: Clock,
    ) -> None:
        self._cluster = cluster
        self._tell = tell
        self._clock = clock
        self._api = api_at(scrape.kubernetes_api)
        self._pods: list[Compared[Pod]] = []
        self._watched = [each for line in scrape.changes for each in self._watching(line)]

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(*(one.run() for one in self._watched), asyncio.Event().wait())

    def _watching(self, text: str) -> Iterator[Watching]:
        address, *words = text.split() or [""]
        parts = urlsplit(address)
        match parts.scheme:
            case "kubernetes":
                yield from self._line(Line.of(address, labels_of(words), self._cluster))
            case "nodes" if not words:
                selector = ",".join(f"{name}={value}" for name, value in parse_qsl(parts.query))
                yield self._follow("/api/v1/nodes", selector, self._nodes())
            case _:
                allowed = "kubernetes://namespace?label=value or nodes://[?label=value]"
                raise InvalidParameterError("scrape.changes", text, allowed)

    def _line(self, line: Line) -> Iterator[Watching]:
        rollouts: list[Compared[workloads.Workload]] = []
        for resource in workloads.KINDS:
            rollouts.append(self._workloads(resource, line))
            # Their own labels need not be those of their pods.
            yield self._follow(line.path("apis/apps/v1", resource), "", rollouts[-1])
        self._pods.append(self._replicas(line, rollouts))
        yield self._follow(line.path("api/v1", "pods"), line.selector, self._pods[-1])

    def _follow(self, path: str, selector: str, follower: Compared[T]) -> Watching:
        return Watching(self._api, path, selector, follower)

    def _workloads(self, resource: str, line: Line) -> Compared[workloads.Workload]:
        def take(found: msgspec.Raw) -> tuple[str, workloads.Workload] | None:
            one = read(WorkloadObject, partial(workloads.workload, resource), found, resource)
            return (one.meta.uid, one) if one and line.means(one.shape.labels) else None

        def tell(before: workloads.Workload | None, now: workloads.Workload) -> workloads.Workload:
            kept, changes = workloads.told_of(before, now, line, self._clock())
            self._all(changes)
            return kept

        def gone(was: workloads.Workload) -> None:
            self._all(workloads.gone(was, line, self._clock()))

        return Compared(resource, take, tell, gone)

    def _replicas(
        self, line: Line, rollouts: Sequence[Compared[workloads.Workload]]
    ) -> Compared[Pod]:
        def take(found: msgspec.Raw) -> tuple[str, Pod] | None:
            one = read(PodObject, partial(pods.pod, line), found, "pods")
            return (one.uid, one) if one else None

        def tell(before: Pod | None, now: Pod) -> Pod:
            changes = pods.told_of(before, now, line.cluster, self._clock())
            self._all(changes)
            self._all(rolled(changes, rolling()))
            return now

        def rolling() -> Mapping[str, str]:
            known = (one for each in rollouts for one in each.known.values())
            return workloads.pools_rolling(known, line)

        def gone(was: Pod) -> None:
            self._all(pods.gone(was, line.cluster, self._clock()))

        return Compared("pods", take, tell, gone)

    def _nodes(self) -> Compared[nodes.Node]:
        def take(found: msgspec.Raw) -> tuple[str, nodes.Node] | None:
            one = read(NodeObject, nodes.node, found, "nodes")
            return (one.meta.uid, one) if one else None

        def tell(before: nodes.Node | None, now: nodes.Node) -> nodes.Node:
            for change in nodes.told_of(before, now, self._cluster, self._clock()):
                self._all(self._with_replicas(change))
            return now

        def gone(was: nodes.Node) -> None:
            self._all(self._with_replicas(nodes.gone(was, self._cluster, self._clock())))

        return Compared("nodes", take, tell, gone)

    def _with_replicas(self, change: Change) -> list[Change]:
        """The change of a node, and the same one for each replica that runs there."""
        known = (pod for each in self._pods for pod in each.known.values())
        here = [pod for pod in known if pod.node == change.node][:MAX_ON_NODE]
        of_replicas = (
            change.but(id=f"{change.id}/{pod.uid}", pool=pod.pool, replica=pod.name) for pod in here
        )
        return [change, *of_replicas]

    def _all(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._tell(change)


def rolled(changes: Sequence[Change], rolling: Mapping[str, str]) -> list[Change]:
    """A replica that becomes ready during a rollout of its pool is what was rolled out."""
    return [
        change.but(
            id=f"{change.id}/rolled",
            kind="deployed",
            summary=f"{change.summary}, by the rollout of {rolling[change.pool]}",
        )
        for change in changes
        if change.kind == "replica_ready" and change.pool in rolling
    ]
