from typing import Any

import pytest

from detectors.incidents.case import MAX_EVIDENCE, MAX_TIMELINE, Case, incident_id
from detectors.incidents.facts import Pace, PoolFacts, TenantFacts
from detectors.incidents.lifecycle import MAX_CASES, LifecycleRules, advance
from detectors.incidents.scene import Scene
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Command, Incident
from streams.schemas.scaling import PoolStatus
from streams.schemas.telemetry import Change

START_US = 1_767_225_600 * SECOND_US


def anomaly(feature: str, *, at_s: float = 0, **but: Any) -> Anomaly:
    labels = {"cluster": "local", "pool": "codex", **but.pop("labels", {})}
    started_us = START_US + round(at_s * SECOND_US)
    usual: dict[str, Any] = {
        "id": f"A-{feature}-{sorted(labels.items())}-{at_s}",
        "kind": "engine" if "replica" in labels else "request",
        "series_id": str(sorted(labels.items())),
        "labels": labels,
        "feature": feature,
        "unit": "s",
        "started_at_us": started_us,
        "at_us": started_us + 9 * SECOND_US,
        "score": 2.0,
        "peak_score": 2.0,
        "actual": 3.0,
        "expected": 1.0,
        "direction": "above",
        "detector": "ewma",
    }
    return Anomaly(**(usual | but))


def down(replica: str, **but: Any) -> Anomaly:
    labels = {"replica": replica}
    return anomaly("up_min", labels=labels, direction="below", detector="limit", **but)


def queue(**but: Any) -> Anomaly:
    return anomaly("queued_max", **but)


class Pool:
    """A pool whose scenes the test sets; keeps its cases like RESPOND does."""

    def __init__(self, **rules: float) -> None:
        self.rules = LifecycleRules(**rules)
        self.cases: list[Case] = []
        self.at_s = 10.0

    def sees(self, *anomalies: Anomaly, after_s: float = 1, **but: Any) -> list[Incident]:
        self.at_s += after_s
        commands = but.pop("commands", [])
        now_us = START_US + round(self.at_s * SECOND_US)
        closed = {n for c in self.cases if not c.is_open for n in c.incident.changes}
        but["changes"] = tuple(c for c in but.get("changes", ()) if c.id not in closed)
        scene = Scene(cluster="local", pool="codex", now_us=now_us, anomalies=anomalies, **but)
        self.cases = advance(scene, self.cases, commands, self.rules)
        return [case.incident for case in self.cases]

    def ended(self, anomaly: Anomaly) -> Anomaly:
        return anomaly.but(ended_at_us=START_US + round(self.at_s * SECOND_US))


def change(kind: Any, replica: str = "", *, at_s: float = 10, **but: Any) -> Change:
    at_us = START_US + round(at_s * SECOND_US)
    usual: dict[str, Any] = {"id": f"{kind}-{replica}", "summary": ""}
    return Change(kind=kind, replica=replica, pool="codex", at_us=at_us, **(usual | but))


def status(ready: int, desired: int = 2) -> PoolStatus:
    return PoolStatus(
        pool="codex", service="codex", model="m", at_us=0, desired=desired, ready=ready
    )


def test_its_identity_comes_from_its_first_anomaly() -> None:
    fault = down("codex-2")
    (incident,) = Pool().sees(fault, queue(at_s=1))
    assert incident.id == incident_id(fault.id) == Pool().sees(fault)[0].id
    assert len(incident.id) == len("INC-0123456789")


def test_it_started_with_its_earliest_anomaly() -> None:
    (incident,) = Pool().sees(down("codex-2", at_s=3), queue(at_s=1))
    assert incident.started_at_us == START_US + SECOND_US


def test_it_stays_the_same_while_nothing_happens() -> None:
    pool, fault = Pool(), down("codex-2")
    assert pool.sees(fault) == pool.sees(fault) == pool.sees(fault)


def test_what_comes_later_joins() -> None:
    pool, fault = Pool(), down("codex-2")
    pool.sees(fault)
    (incident,) = pool.sees(fault, queue(at_s=12))
    assert len(incident.anomalies) == 2


def test_what_is_left_of_a_fault_does_not_rename_it() -> None:
    pool, fault, symptom = Pool(), down("codex-2"), queue()
    pool.sees(fault, symptom)
    over = pool.ended(fault)
    (incident,) = pool.sees(over, symptom)
    (incident,) = pool.sees(symptom, after_s=14)
    assert (incident.state, incident.title) == ("open", "codex-2 is frozen")


def test_after_effects_join_within_fifteen_seconds_and_not_much_later() -> None:
    pool, fault = Pool(resolves_after_s=1e9), down("codex-2")
    pool.sees(fault)
    over = pool.ended(fault)
    pool.sees(over, after_s=14)
    assert len(pool.sees(over, queue(at_s=20))) == 1
    later = pool.ended(queue(at_s=20))
    pool.sees(later, after_s=16)
    assert len(pool.sees(queue(at_s=30))) == 2


def test_a_pool_is_renamed_after_its_culprit_while_it_is_young() -> None:
    pool, symptom = Pool(), queue()
    before = pool.sees(symptom)[0]
    (after,) = pool.sees(symptom, down("codex-2", at_s=2))
    assert (before.subject.name, after.subject.name) == ("codex", "codex-2")
    assert before.id == after.id


def test_and_not_when_it_is_old() -> None:
    pool, symptom = Pool(), queue()
    pool.sees(symptom)
    found = pool.sees(symptom, down("codex-2", at_s=40), after_s=31)
    assert [i.subject.name for i in found] == ["codex", "codex-2"]


def test_a_surge_is_not_renamed_after_a_faint_suspicion() -> None:
    facts = PoolFacts(tenants={"a": TenantFacts(arrived=Pace(now=9, past=1, seen=60))})
    pool, more = Pool(), anomaly("arrived_per_s")
    pool.sees(more, facts=facts)
    sluggish = anomaly("ttft_s_mean", labels={"replica": "codex-1"}, actual=1.5)
    (incident,) = pool.sees(more, sluggish, facts=facts)
    assert incident.title == "Traffic surge on codex"


@pytest.mark.parametrize(("after_s", "state"), [(14.0, "open"), (15.0, "resolved")])
def test_it_resolves_fifteen_seconds_after_its_last_anomaly_ended(
    after_s: float, state: str
) -> None:
    pool, fault = Pool(), down("codex-2")
    pool.sees(fault, status=status(2))
    over = pool.ended(fault)
    assert pool.sees(over, after_s=after_s, status=status(2))[0].state == state


def test_a_lost_replica_is_missed_until_another_is_ready() -> None:
    pool, loss = Pool(), change("replica_lost", "codex-2")
    pool.sees(changes=(loss,), status=status(1))
    for _ in range(6):
        assert pool.sees(changes=(loss,), status=status(1), after_s=10)[0].state == "open"
    assert pool.sees(changes=(loss,), status=status(2), after_s=15)[0].state == "resolved"


def test_but_not_for_ever() -> None:
    pool, loss = Pool(), change("replica_lost", "codex-2")
    pool.sees(changes=(loss,), status=status(1))
    pool.sees(status=status(1), after_s=601)
    assert pool.sees(status=status(1), after_s=15)[0].state == "resolved"


def test_a_loss_that_was_dealt_with_opens_nothing_again() -> None:
    pool, loss = Pool(), change("replica_lost", "codex-2")
    pool.sees(changes=(loss,), status=status(2))
    pool.sees(changes=(loss,), status=status(2), after_s=15)
    assert [i.state for i in pool.sees(changes=(loss,), status=status(2))] == ["resolved"]


def test_a_stop_on_order_is_no_loss() -> None:
    stopped, loss = change("replica_stopped", "codex-2"), change("replica_lost", "codex-2")
    assert Pool().sees(changes=(stopped, loss)) == []


def test_a_person_resolves_it_with_a_reason() -> None:
    pool = Pool()
    (incident,) = pool.sees(down("codex-2"))
    command = Command(
        id="c", at_us=0, kind="resolve", actor="ann", reason="known", incident=incident.id
    )
    (incident,) = pool.sees(down("codex-2"), commands=[command])
    assert (incident.state, incident.timeline[-1][1]) == ("resolved", "resolved by ann: known")


def test_a_command_for_another_incident_does_nothing_here() -> None:
    pool = Pool()
    pool.sees(down("codex-2"))
    other = Command(id="c", at_us=0, kind="resolve", actor="ann", incident="INC-x")
    assert pool.sees(down("codex-2"), commands=[other])[0].state == "open"


def test_it_is_grave_when_users_wait_longer_than_promised() -> None:
    pool = Pool()
    now_us = START_US + 11 * SECOND_US
    facts = PoolFacts(queue_s=Pace(now=9.0, past=0.1, seen=9, at_us=now_us))
    (incident,) = pool.sees(down("codex-2"), facts=facts, status=status(1))
    assert (incident.users_hurt, incident.severity) == (True, "critical")


def test_and_stays_so_until_it_is_over() -> None:
    pool = Pool()
    facts = PoolFacts(queue_s=Pace(now=9.0, past=0.1, seen=9, at_us=START_US + 11 * SECOND_US))
    pool.sees(down("codex-2"), facts=facts, status=status(1))
    assert pool.sees(down("codex-2"), status=status(1))[0].users_hurt


@pytest.mark.parametrize(
    ("failed", "arrived", "hurt"),
    [
        pytest.param(0.16, 0.3, False, id="the-only-one-that-came-just-now"),
        pytest.param(0.32, 0.5, True, id="two-of-them"),
        pytest.param(0.6, 9.0, True, id="one-of-fifteen"),
        pytest.param(0.3, 9.0, False, id="one-of-thirty"),
    ],
)
def test_users_are_hurt_by_failures_of_some_share_and_number(
    failed: float, arrived: float, *, hurt: bool
) -> None:
    client = TenantFacts(arrived=Pace(now=arrived), failed=Pace(now=failed))
    (incident,) = Pool().sees(down("codex-2"), facts=PoolFacts(tenants={"a": client}))

    assert incident.users_hurt is hurt


def slow(replica: str, **but: Any) -> Anomaly:
    return anomaly("inter_token_s_mean", labels={"replica": replica}, **but)


def test_a_replica_that_becomes_slow_while_a_queue_drains_is_an_incident_of_its_own() -> None:
    pool = Pool()
    pool.sees(queue())
    pool.sees(queue(), after_s=31)
    over = pool.ended(queue())
    found = pool.sees(over, slow("codex-1", at_s=35), after_s=10)
    assert [i.subject.name for i in found] == ["codex", "codex-1"]


def test_but_not_while_a_fellow_is_replaced() -> None:
    pool = Pool()
    pool.sees(down("codex-2"), status=status(1))
    over = pool.ended(down("codex-2"))
    pool.sees(over, status=status(1), after_s=20)
    found = pool.sees(slow("codex-1", at_s=20), status=status(1))
    assert [i.subject.name for i in found] == ["codex-2"]


def test_what_nobody_can_explain_and_hurts_nobody_is_for_information() -> None:
    (incident,) = Pool().sees(anomaly("output_tokens_per_s", direction="below"))
    assert (incident.severity, incident.causes[0].kind) == ("info", "unknown")


def test_a_silent_replica_makes_figures_doubtful() -> None:
    assert Pool().sees(down("codex-2"))[0].trust_hurt


def test_its_evidence_and_timeline_are_bounded() -> None:
    many = [anomaly("ttft_s_p95", labels={"tenant": f"t{n}"}, at_s=n / 100) for n in range(300)]
    (incident,) = Pool().sees(down("codex-2"), *many)
    assert (len(incident.anomalies), len(incident.timeline)) == (MAX_EVIDENCE, MAX_TIMELINE)


def test_a_pool_has_a_bounded_number_of_incidents() -> None:
    silent = [down(f"codex-{n}") for n in range(MAX_CASES + 20)]
    assert len(Pool().sees(*silent)) == MAX_CASES


def test_the_timeline_tells_what_was_done_about_it() -> None:
    pool, fault = Pool(), down("codex-2")
    pool.sees(fault)
    done = (
        change("deployed", at_s=2),
        change("set_aside", "codex-2"),
        change("set_aside", "codex-1"),
        change("replica_started", "codex-4"),
        change("scaled", summary="codex: 2 → 3 replicas"),
        change("replica_ready", "codex-4"),
        change("taken_back", "codex-2"),
        change("replica_stopped", "codex-2"),
    )
    (incident,) = pool.sees(fault, changes=done)
    assert {sentence for at_us, sentence in incident.timeline if at_us == done[1].at_us} == {
        "traffic moved away from codex-2",
        "codex-4 is starting",
        "codex: 2 → 3 replicas",
        "codex-4 is ready and replaces codex-2",
        "codex-2 gets traffic again",
        "replica_stopped codex-2",
    }


def test_what_was_done_long_before_is_no_part_of_it() -> None:
    (incident,) = Pool().sees(down("codex-2"), changes=(change("replica_ready", "c", at_s=-6),))
    assert incident.changes == ()


def test_a_replica_that_is_ready_during_a_queue_replaces_nobody() -> None:
    pool = Pool()
    pool.sees(queue())
    (incident,) = pool.sees(queue(), changes=(change("replica_ready", "codex-4"),))
    assert "codex-4 is ready" in {sentence for _, sentence in incident.timeline}


def test_after_effects_that_are_found_with_their_fault_join_it_at_once() -> None:
    memory = anomaly("rss_bytes_max", labels={"replica": "codex-1"})
    errors = anomaly("failed_per_s", labels={"replica": "codex-1"})
    (incident,) = Pool().sees(down("codex-2"), memory, errors)
    assert incident.title == "codex-2 is frozen"
    assert errors.id in incident.anomalies


def test_two_vague_findings_at_once_are_one_incident() -> None:
    work = anomaly("output_tokens_per_s", direction="below")
    assert len(Pool().sees(queue(), work)) == 1
