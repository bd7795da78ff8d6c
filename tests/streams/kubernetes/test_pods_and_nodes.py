"""Pods and nodes before and after: what is told of them."""

import json

import pytest

from streams.clock import SECOND_US
from streams.schemas.telemetry import Change
from streams.sources.kubernetes import nodes, pods
from streams.sources.kubernetes.line import Line
from streams.sources.kubernetes.objects import NodeObject, PodObject, read
from tests.streams.kubernetes.cluster import NOON, NOON_US, Json, node, pod

LINE = Line.of("kubernetes://models?app=chat", {}, "here")
LATER_US = NOON_US + 5 * SECOND_US
KILLED = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": NOON}}


def of_pod(*states: Json) -> list[Change]:
    known, changes = None, list[Change]()
    for state in states:
        raw = json.dumps(state).encode()
        now = read(PodObject, lambda one: pods.pod(LINE, one), "pods", raw)  # type: ignore[arg-type]
        assert now
        changes += pods.told_of(known, now, "here", LATER_US)
        known = now
    return changes


def of_node(*states: Json) -> list[Change]:
    known, changes = None, list[Change]()
    for state in states:
        now = read(NodeObject, nodes.node, "nodes", json.dumps(state).encode())  # type: ignore[arg-type]
        assert now
        changes += nodes.told_of(known, now, "here", LATER_US)
        known = now
    return changes


def said(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.kind, change.summary) for change in changes]


@pytest.mark.parametrize(
    ("states", "words"),
    [
        pytest.param([pod(ready="")], [], id="one-that-was-there"),
        pytest.param(
            [pod(created=NOON, ready=""), pod(created=NOON, ready=NOON)],
            [("replica_started", "chat-1 was created"), ("replica_ready", "chat-1 is ready")],
            id="one-that-starts",
        ),
        pytest.param(
            [pod(), pod(leaving=NOON), pod(leaving=NOON, ready="")],
            [("replica_stopped", "chat-1 is being ended")],
            id="one-that-is-to-go",
        ),
        pytest.param(
            [pod(), pod(deaths=1, last=KILLED)],
            [("replica_lost", "chat-1 lost a container: vllm ended: OOMKilled, exit code 137")],
            id="one-whose-container-dies",
        ),
        pytest.param(
            [pod(), pod(phase="Failed", reason="Evicted", ready="")],
            [("replica_lost", "chat-1 failed: Evicted")],
            id="one-that-is-evicted",
        ),
        pytest.param(
            [pod(ready="2026-01-01T11:30:00Z")],
            [("replica_ready", "chat-1 is ready")],
            id="one-that-came-back-while-nobody-looked",
        ),
    ],
)
def test_pods(states: list[Json], words: list[tuple[str, str]]) -> None:
    assert said(of_pod(*states)) == words


def test_a_pod_is_a_replica_of_its_pool_on_its_node() -> None:
    [change] = of_pod(pod(), pod(leaving=NOON))
    assert (change.pool, change.replica, change.node) == ("chat", "chat-1", "gpu-1")
    assert change.id == "here/p-chat-1/stopped"


@pytest.mark.parametrize(
    ("now", "words"),
    [
        pytest.param(node(), [], id="nothing"),
        pytest.param(
            node(("node.kubernetes.io/unschedulable", "NoSchedule"), cordoned=True),
            [("node_maintenance", "node gpu-1 was cordoned: it gets no new pods")],
            id="a-cordon-with-its-taint",
        ),
        pytest.param(
            node(("repair", "NoExecute")),
            [("node_maintenance", "node gpu-1 was tainted repair:NoExecute")],
            id="a-taint",
        ),
        pytest.param(
            node(ready="Unknown"),
            [("other", "node gpu-1 is not ready: kubelet stopped posting")],
            id="a-node-that-falls-silent",
        ),
    ],
)
def test_nodes(now: Json, words: list[tuple[str, str]]) -> None:
    assert said(of_node(node(), now)) == words
    assert len(of_node(node(), now, node())) == 2 * len(words)
    assert of_node(now) == []
