"""Rollouts, replicas and nodes of Kubernetes, watched: the API's answers in, changes out."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from streams.clock import Clock
from streams.errors import InvalidParameterError
from streams.schemas.telemetry import Change
from streams.sources.kubernetes import nodes, pods, workloads
from streams.sources.kubernetes.api import Watching, api_at
from streams.sources.kubernetes.compared import Compared, Rules, T, Tell
from streams.sources.kubernetes.line import Line
from streams.sources.kubernetes.nodes import Node
from streams.sources.kubernetes.objects import NodeObject, PodObject, WorkloadObject, read
from streams.sources.kubernetes.pods import Pod
from streams.sources.kubernetes.workloads import Workload
from streams.sources.settings import ScrapeSettings
from streams.sources.targets import labels_of

MAX_ON_NODE: Final = 64
"""Replicas of a node that are named, each in a change of its own."""


class KubernetesChanges:
    """Lines of ``scrape.changes``: `kubernetes://default?app=vllm pool=chat` watches what runs such
    pods, and the pods; `nodes://` watches nodes, `nodes://?label=value` some of them.

    tell: gets each change; never waits.
    """

    def __init__(self, scrape: ScrapeSettings, cluster: str, tell: Tell, clock: Clock) -> None:
        self._cluster = cluster
        self._tell = tell
        self._clock = clock
        self._api = api_at(scrape)
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
                yield self._follow("/api/v1/nodes", selector, self._compared(self._of_nodes()))
            case _:
                allowed = "kubernetes://namespace?label=value or nodes://[?label=value]"
                raise InvalidParameterError("scrape.changes", text, allowed)

    def _line(self, line: Line) -> Iterator[Watching]:
        rollouts = [self._compared(_of_workloads(name, line)) for name in workloads.KINDS]
        for name, each in zip(workloads.KINDS, rollouts, strict=True):
            # A workload's own labels need not be those of its pods.
            yield self._follow(line.path("apis/apps/v1", name), "", each)
        replicas = self._compared(_of_pods(line, rollouts))
        self._pods.append(replicas)
        yield self._follow(line.path("api/v1", "pods"), line.selector, replicas)

    def _compared(self, rules: Rules[T]) -> Compared[T]:
        return Compared(rules, self._tell, self._clock)

    def _follow(self, path: str, selector: str, follower: Compared[T]) -> Watching:
        return Watching(self._api, path, selector, follower)

    def _of_nodes(self) -> Rules[Node]:
        def told(before: Node | None, now: Node, now_us: int) -> tuple[Node, Iterator[Change]]:
            return now, self._with_replicas(nodes.told_of(before, now, self._cluster, now_us))

        return Rules(
            resource="nodes",
            take=partial(read, NodeObject, nodes.node, "nodes"),
            told=told,
            gone=lambda was, now_us: self._with_replicas(nodes.gone(was, self._cluster, now_us)),
        )

    def _with_replicas(self, changes: Sequence[Change]) -> Iterator[Change]:
        """Each change of a node, and the same one for each replica that runs there."""
        for change in changes:
            yield change
            known = (pod for each in self._pods for pod in each.known.values())
            for pod in [pod for pod in known if pod.node == change.node][:MAX_ON_NODE]:
                yield change.but(id=f"{change.id}/{pod.uid}", pool=pod.pool, replica=pod.name)


def _of_workloads(name: str, line: Line) -> Rules[Workload]:
    def take(found: msgspec.Raw) -> Workload | None:
        one = read(WorkloadObject, partial(workloads.workload, name), name, found)
        return one if one and line.means(one.shape.labels) else None

    return Rules(
        resource=name,
        take=take,
        told=lambda before, now, now_us: workloads.told_of(before, now, line, now_us),
        gone=lambda was, now_us: workloads.gone(was, line, now_us),
    )


def _of_pods(line: Line, rollouts: Sequence[Compared[Workload]]) -> Rules[Pod]:
    def told(before: Pod | None, now: Pod, now_us: int) -> tuple[Pod, list[Change]]:
        changes = pods.told_of(before, now, line.cluster, now_us)
        known = (one for each in rollouts for one in each.known.values())
        return now, changes + rolled(changes, workloads.pools_rolling(known, line))

    return Rules(
        resource="pods",
        take=partial(read, PodObject, partial(pods.pod, line), "pods"),
        told=told,
        gone=lambda was, now_us: pods.gone(was, line.cluster, now_us),
    )


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
