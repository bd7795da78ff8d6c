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
