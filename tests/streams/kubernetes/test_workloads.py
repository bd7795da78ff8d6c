"""Deployments before and after: what is told of them, under which id."""

import json
from typing import Any

import pytest

from streams.clock import SECOND_US
from streams.schemas.telemetry import Change
from streams.sources.kubernetes.line import Line
from streams.sources.kubernetes.objects import WorkloadObject, read
from streams.sources.kubernetes.workloads import Workload, gone, told_of, workload
from tests.streams.kubernetes.cluster import NOON, NOON_US, Json, deployment

LINE = Line.of("kubernetes://models?app=chat", {}, "here")
LATER_US = NOON_US + 5 * SECOND_US
OLD = "2025-12-30T00:00:00Z"


def seen(found: Json, resource: str = "deployments") -> Workload:
    raw = json.dumps(found).encode()
    one = read(WorkloadObject, lambda each: workload(resource, each), resource, raw)  # type: ignore[arg-type]
    assert one
    return one


def told(*states: Json, now_us: int = LATER_US) -> list[Change]:
    """Of a workload that is seen in these states, one after the other."""
    known, changes = None, list[Change]()
    for state in states:
        known, came = told_of(known, seen(state), LINE, now_us)
        changes += came
    return changes


def summaries(*states: Json) -> list[tuple[str, str]]:
    return [(change.kind, change.summary) for change in told(*states)]


def test_a_new_image_is_a_deployment_and_done_when_all_pods_serve() -> None:
    new: dict[str, Any] = {"image": "vllm:v0.10", "generation": 2}
    assert summaries(
        deployment(at=OLD),
        deployment(observed=1, updated=0, **new),
        deployment(updated=1, **new),
        deployment(**new),
        deployment(**new),
    ) == [
        ("deployed", "Deployment chat is rolled out: image vllm:v0.9 -> vllm:v0.10 (by helm)"),
        ("deployed", "the rollout of Deployment chat is done after 5 s: "
                     "image vllm:v0.9 -> vllm:v0.10"),
    ]  # fmt: skip


def test_flags_alone_are_a_configuration() -> None:
    [change] = told(deployment("--a=1", at=OLD), deployment("--a=2", generation=2, updated=0))
    assert change == Change(
        id="here/d-1/2/rolled",
        at_us=NOON_US,
        kind="configured",
        summary="Deployment chat is rolled out: --a 1 -> 2 (by helm)",
        actor="helm",
        cluster="here",
        pool="chat",
        attributes={"workload": "models/chat", "image": "vllm:v0.9"},
    )


def test_the_size_is_told_unless_we_set_it() -> None:
    before = deployment(at=OLD)
    assert summaries(before, deployment(replicas=5, updated=2, generation=2, manager="hpa")) == [
        ("scaled", "Deployment chat was set from 2 to 5 replicas (by hpa)")
    ]
    assert summaries(before, deployment(replicas=5, generation=2, manager="tidegate-drive")) == []


def test_pods_that_come_and_go_are_no_rollout() -> None:
    assert summaries(deployment(at=OLD), deployment(at=OLD, updated=1), deployment(at=OLD)) == []


def test_a_rollout_that_is_stuck_says_so_once() -> None:
    stuck = deployment(image="vllm:v9", generation=2, updated=0)
    stuck["status"]["conditions"] = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    ]
    found = summaries(deployment(at=OLD), deployment(image="vllm:v9", generation=2, updated=0),
                      stuck, stuck)[1:]  # fmt: skip
    assert found == [
        ("other", "the rollout of Deployment chat is stuck (ProgressDeadlineExceeded): "
                  "0 of 2 pods are new, 0 serve"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "words"),
    [
        pytest.param(deployment(at=OLD), [], id="old-news-are-no-news"),
        pytest.param(
            deployment(generation=2),
            ["Deployment chat was changed: image vllm:v0.9 (by helm)"],
            id="changed-while-nobody-looked",
        ),
        pytest.param(
            deployment(at="2026-01-01T13:00:00Z"), [], id="by-a-clock-that-is-an-hour-ahead"
        ),
    ],
)
def test_what_is_met_for_the_first_time(state: Json, words: list[str]) -> None:
    assert [change.summary for change in told(state)] == words


def test_a_new_workload_is_created() -> None:
    new = deployment()
    new["metadata"]["creationTimestamp"] = NOON
    [change] = told(new)
    assert change.summary.startswith("Deployment chat was created")


def test_a_rollout_that_was_under_way_is_told_to_its_end() -> None:
    found = told(deployment(generation=2, updated=1), deployment(generation=2))
    assert [change.summary for change in found] == [
        "Deployment chat was changed: image vllm:v0.9 (by helm)",
        "the rollout of Deployment chat is done after 5 s: image vllm:v0.9",
    ]


def test_a_watcher_that_starts_anew_repeats_itself_under_the_same_id() -> None:
    before, now = deployment("--a=1", at=OLD), deployment("--a=2", image="b", generation=2)
    first, again = told(before, now)[0], told(now, now_us=LATER_US + 3 * SECOND_US)[0]
    assert (first.id, first.at_us) == (again.id, again.at_us)


def test_an_api_whose_clock_is_off_does_not_decide_when_it_was() -> None:
    now = deployment("--a=2", generation=2, at="2026-01-01T10:00:00Z")
    assert told(deployment("--a=1", at=OLD), now)[0].at_us == LATER_US


def test_a_deletion_is_told() -> None:
    [change] = gone(seen(deployment()), LINE, LATER_US)
    assert (change.kind, change.summary) == ("deployed", "Deployment chat was deleted (by helm)")


def test_daemon_sets_count_otherwise() -> None:
    found = deployment(generation=3)
    found["spec"].pop("replicas")
    found["status"] = {
        "observedGeneration": 3, "desiredNumberScheduled": 4,
        "updatedNumberScheduled": 4, "numberAvailable": 4,
    }  # fmt: skip
    one = seen(found, "daemonsets")
    found["status"]["desiredNumberScheduled"] = 5
    more = seen(found, "daemonsets")

    assert (one.kind, one.replicas, one.done) == ("DaemonSet", 4, True)
    assert told_of(one, more, LINE, LATER_US)[1] == []
