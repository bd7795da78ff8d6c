from typing import Any

import pytest

from autoscaler.lead_time import LeadTime
from streams.schemas.scaling import ReplicaStatus
from tests.autoscaler.world import at


def replica(name: str, took_s: float, **but: Any) -> ReplicaStatus:
    usual: dict[str, Any] = {
        "pool": "codex",
        "replica": name,
        "state": "ready",
        "since_us": at(took_s),
        "at_us": at(took_s),
        "ordered_at_us": at(0),
    }
    return ReplicaStatus(**(usual | but))


def test_the_lead_time_is_what_new_replicas_took() -> None:
    lead = LeadTime(prior_s=8)
    for number, took_s in enumerate([10, 11, 30]):
        lead.see(replica(f"codex-{number}", took_s))

    assert lead.seconds() == 11.0


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(replica("codex-1", 20, state="starting"), id="not-ready-yet"),
        pytest.param(
            replica("codex-1", 20, ordered_at_us=0), id="nobody-knows-when-it-was-ordered"
        ),
        pytest.param(replica("codex-1", -5), id="clocks-disagree"),
    ],
)
def test_what_says_nothing_of_the_lead_time_leaves_the_prior(status: ReplicaStatus) -> None:
    lead = LeadTime(prior_s=8)
    lead.see(status)

    assert (lead.seconds(), lead.learned) == (8.0, False)


def test_a_replica_counts_once() -> None:
    lead = LeadTime(prior_s=8)
    for took_s in (10, 50, 50, 50):
        lead.see(replica("codex-1", took_s))

    assert lead.seconds() == 10.0


def test_phases_are_learned_each_by_itself() -> None:
    lead = LeadTime(prior_s=8)
    for number, (node, weights) in enumerate([(0, 60), (240, 70), (0, 90)]):
        phases = {"node": float(node), "weights": float(weights)}
        lead.see(replica(f"codex-{number}", node + weights, phases_s=phases))

    assert lead.phases() == {"node": 0.0, "weights": 70.0}
    assert lead.seconds() == 70.0


@pytest.mark.parametrize(
    "phases",
    [
        pytest.param({"weights": 50.0}, id="longer-than-the-whole"),
        pytest.param({"weights": -1.0}, id="negative"),
        pytest.param({"weights": float("nan")}, id="no-number"),
        pytest.param({"coffee": 5.0}, id="nobody-knows-that-phase"),
    ],
)
def test_phases_that_cannot_be_leave_the_whole(phases: dict[str, float]) -> None:
    lead = LeadTime(prior_s=8)
    lead.see(replica("codex-1", 20, phases_s=phases))

    assert lead.phases() == {"start": 20.0}


def test_the_first_token_of_a_new_replica_is_a_phase() -> None:
    lead = LeadTime(prior_s=8)
    new = replica("codex-1", 20)
    lead.see(new)
    for took_s in (3.0, 0.1):
        lead.see_first_token(new, at(25), took_s)

    assert lead.seconds() == 23.0


def test_the_first_token_after_a_long_rest_is_none() -> None:
    lead = LeadTime(prior_s=8)
    old = replica("codex-1", 20)
    lead.see(old)
    lead.see_first_token(old, at(900), 3.0)

    assert lead.seconds() == 20.0


def test_another_model_is_learned_sooner() -> None:
    lead = LeadTime(prior_s=8)
    for number in range(20):
        lead.see(replica(f"codex-{number}", 40, phases_s={"node": 10.0, "weights": 30.0}))
    lead.changed()
    lead.see(replica("codex-new", 100, phases_s={"node": 10.0, "weights": 90.0}))

    assert lead.phases() == {"node": 10.0, "weights": 90.0}
