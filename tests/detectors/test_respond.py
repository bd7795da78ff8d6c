"""RESPOND over whole stories: one fault, one incident, the right subject, a known end."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from detectors.incidents.respond import Respond
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Command, Incident
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.series import series_hex, series_id
from streams.stage import Arrival, Outcome, Tick
from streams.windows.table import Table

START_US = 1_767_225_600 * SECOND_US
REPLICAS = ("codex-1", "codex-2", "codex-3")
TENANTS = ("aspen", "birch", "cedar")

Traffic = dict[str, tuple[float, float]]
"""Client -> (arrived, rejected) per second."""


class Story:
    """Second after second of one pool: what WATCH would say, and what RESPOND made of it."""

    def __init__(self, *, forgetful: bool = False) -> None:
        self.respond = Respond()
        self.stored: dict[str, bytes] = {}
        self.forgetful = forgetful
        self.now_us = START_US
        self.pending: list[Arrival] = []
        self.open: dict[str, Anomaly] = {}
        self.published: list[Incident] = []
        self.traffic: Traffic = dict.fromkeys(TENANTS, (1.0, 0.0))
        self.inter_token_s = dict.fromkeys(REPLICAS, 0.08)
        self.ready(3)
        for replica in REPLICAS:
            self.replica(replica, "ready")

    # --- what happens ---------------------------------------------------------------------------

    def arrive(self, topic: str, id_: str, record: Any) -> None:
        self.pending.append(Arrival(at_us=self.now_us, id=id_, topic=topic, record=record))

    def ready(self, ready: int, desired: int = 3) -> None:
        status = PoolStatus(
            pool="codex",
            service="codex",
            model="m",
            at_us=self.now_us,
            desired=desired,
            ready=ready,
            max_replicas=3,
        )
        self.arrive("pools", "local/codex", status)

    def replica(self, name: str, state: Any) -> None:
        status = ReplicaStatus(
            pool="codex", replica=name, state=state, since_us=self.now_us, at_us=self.now_us
        )
        self.arrive("pools", f"local/codex/{name}", status)

    def change(self, kind: Any, replica: str = "", summary: str = "") -> None:
        id_ = f"{kind}-{replica}-{self.now_us}"
        change = Change(
            id=id_, at_us=self.now_us, kind=kind, summary=summary, pool="codex", replica=replica
        )
        self.arrive("changes", id_, change)

    def unusual(self, feature: str, *, kind: Any = "request", **but: Any) -> str:
        labels = {"cluster": "local", "pool": "codex", **but.pop("labels", {})}
        usual: dict[str, Any] = {
            "id": f"{kind}-{feature}-{sorted(labels.items())}-{self.now_us}",
            "kind": kind,
            "series_id": series_hex(series_id(kind, labels)),
            "labels": labels,
            "feature": feature,
            "unit": "",
            "started_at_us": self.now_us,
            "at_us": self.now_us,
            "score": 1.2,
            "peak_score": 1.2,
            "actual": 3.0,
            "expected": 1.0,
            "direction": "above",
            "detector": "ewma",
        }
        anomaly = Anomaly(**(usual | but))
        self.open[anomaly.id] = anomaly
        return anomaly.id

    def ends(self, *ids: str) -> None:
        for id_ in ids or tuple(self.open):
            ended = self.open.pop(id_).but(ended_at_us=self.now_us)
            self.arrive("anomalies", id_, ended)

    # --- time -----------------------------------------------------------------------------------

    def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            for id_, anomaly in self.open.items():
                self.open[id_] = anomaly.but(at_us=self.now_us)
                self.arrive("anomalies", id_, self.open[id_])
            self.arrive("windows", "request", self._requests())
            self.arrive("windows", "engine", self._engines())
            self.now_us += SECOND_US
            arrivals = sorted(self.pending, key=lambda a: (a.at_us, a.id))
            self.pending = []
            self._note(self.respond.step(Tick(now_us=self.now_us, arrivals=arrivals)))

    def _note(self, outcome: Outcome) -> None:
        self.published += [o.value for o in outcome.out if isinstance(o.value, Incident)]
        for key, value in outcome.state.items():
            if value is None:
                del self.stored[key]
            else:
                self.stored[key] = value
        if self.forgetful:
            self.respond = Respond()
            self.respond.restore(dict(self.stored))

    def _table(self, kind: str, labels: list[dict[str, str]], ints: dict[str, list[int]]) -> Table:
        series = [series_id(kind, label) for label in labels]
        return Table(
            kind=kind,
            window_us=np.full(len(labels), self.now_us),
            series=np.array(series, dtype=np.int64),
            ints={name: np.array(column, dtype=np.int64) for name, column in ints.items()},
            labels=dict(zip(series, labels, strict=True)),
        )

    def _requests(self) -> Table:
        labels = [{"cluster": "local", "pool": "codex", "tenant": t} for t in self.traffic]
        arrived = [round(a) for a, _ in self.traffic.values()]
        rejected = [round(r) for _, r in self.traffic.values()]
        return self._table("request", labels, {"arrived": arrived, "rejected": rejected})

    def _engines(self) -> Table:
        labels = [{"cluster": "local", "pool": "codex", "replica": r} for r in self.inter_token_s]
        sums = [round(s * 1_000_000) for s in self.inter_token_s.values()]
        ints = {"inter_token_s.sum": sums, "inter_token_s.n": [1] * len(sums)}
        return self._table("engine", labels, ints)

    # --- what came of it ------------------------------------------------------------------------

    @property
    def incidents(self) -> dict[str, Incident]:
        return {incident.id: incident for incident in self.published}

    @property
    def only(self) -> Incident:
        assert len(self.incidents) == 1, [i.title for i in self.incidents.values()]
        return next(iter(self.incidents.values()))


def silent(story: Story, replica: str) -> None:
    labels = {"replica": replica}
    common: dict[str, Any] = {"kind": "engine", "labels": labels, "detector": "limit"}
    story.unusual("up_min", direction="below", actual=0.0, expected=1.0, **common)


# --- the five faults of the demo ------------------------------------------------------------------


def frozen_replica(story: Story) -> None:
    silent(story, "codex-2")
    story.passes(2)
    story.unusual("queued_max", peak_score=1.8)
    story.unusual("ttft_s_p95", labels={"tenant": "aspen"}, peak_score=2.0)
    story.unusual("cpu_ratio_mean", kind="engine", labels={"replica": "codex-1"})
    story.passes(1)
    story.change("set_aside", "codex-2", "codex-2 silent for 4 s")
    story.passes(6)
    story.change("replica_lost", "codex-2", "silent on /health for 10 s")
    story.replica("codex-2", "failed")
    story.ready(2)
    story.change("replica_started", "codex-4")
    story.passes(8)
    story.change("replica_ready", "codex-4")
    story.ready(3)
    story.ends()


def killed_replica(story: Story) -> None:
    story.change("replica_lost", "codex-2", "exit -9")
    story.replica("codex-2", "failed")
    story.ready(2)
    story.passes(1)
    silent(story, "codex-2")
    story.unusual("queued_max")
    story.passes(8)
    story.change("replica_ready", "codex-4")
    story.ready(3)
    story.ends()


def traffic_surge(story: Story) -> None:
    story.traffic = dict.fromkeys(TENANTS, (4.0, 0.0))
    story.passes(2)
    for tenant in TENANTS:
        story.unusual("arrived_per_s", labels={"tenant": tenant})
    story.passes(2)
    story.unusual("queued_max", peak_score=2.5)
    for replica in REPLICAS:
        story.unusual(
            "inter_token_s_mean",
            kind="engine",
            labels={"replica": replica},
            actual=0.2,
            expected=0.08,
        )
    story.passes(10)
    story.traffic = dict.fromkeys(TENANTS, (1.0, 0.0))
    story.ends()


def client_flood(story: Story) -> None:
    story.traffic |= {"birch": (9.0, 8.0)}
    story.passes(1)
    story.unusual("arrived_per_s", labels={"tenant": "birch"}, peak_score=3.0)
    story.unusual("rejected_per_s", labels={"tenant": "birch"}, detector="limit", actual=8.0)
    story.unusual("inter_token_s_mean", kind="engine", labels={"replica": "codex-1"})
    story.passes(12)
    story.traffic |= {"birch": (1.0, 0.0)}
    story.ends()


def latency_leak(story: Story) -> None:
    for step in range(1, 4):
        story.inter_token_s["codex-3"] = 0.08 + 0.05 * step
        story.passes(1)
    leak = story.unusual(
        "inter_token_s_mean",
        kind="engine",
        labels={"replica": "codex-3"},
        actual=0.3,
        expected=0.08,
    )
    story.passes(2)
    story.inter_token_s["codex-3"] = 0.5
    story.open[leak] = story.open[leak].but(score=1.9, peak_score=1.9, actual=0.5)
    story.unusual("ttft_s_p95", labels={"tenant": "cedar"}, peak_score=1.6)
    story.unusual("queue_s_p95", peak_score=1.6)
    story.passes(10)
    story.inter_token_s["codex-3"] = 0.08
    story.ends()


FAULTS = [
    pytest.param(frozen_replica, "replica_frozen", "codex-2", id="frozen-replica"),
    pytest.param(killed_replica, "replica_lost", "codex-2", id="killed-replica"),
    pytest.param(traffic_surge, "traffic_surge", "codex", id="surge"),
    pytest.param(client_flood, "client_errors", "birch", id="flood-by-one-client"),
    pytest.param(latency_leak, "replica_slow", "codex-3", id="slow-leak"),
]


def told(fault: Any, *, forgetful: bool = False) -> Story:
    story = Story(forgetful=forgetful)
    story.passes(40)
    fault(story)
    story.passes(30)
    return story


@pytest.mark.parametrize(("fault", "kind", "subject"), FAULTS)
def test_a_fault_is_one_incident_with_the_right_cause_and_subject(
    fault: Any, kind: str, subject: str
) -> None:
    incident = told(fault).only
    assert (incident.causes[0].kind, incident.subject.name) == (kind, subject)


@pytest.mark.parametrize(("fault", "kind", "subject"), FAULTS)
def test_every_version_of_it_names_the_same_culprit(fault: Any, kind: str, subject: str) -> None:
    assert {i.subject.name for i in told(fault).published} == {subject}


@pytest.mark.parametrize(("fault", "kind", "subject"), FAULTS)
def test_it_resolves_fifteen_seconds_after_all_is_well(fault: Any, kind: str, subject: str) -> None:
    incident = told(fault).only
    assert incident.state == "resolved"
    assert incident.timeline[-1][1].startswith("resolved: nothing unusual for 15 s")


@pytest.mark.parametrize(("fault", "kind", "subject"), FAULTS)
def test_a_restart_at_every_second_changes_nothing(fault: Any, kind: str, subject: str) -> None:
    assert told(fault, forgetful=True).published == told(fault).published


@pytest.mark.parametrize(("fault", "kind", "subject"), FAULTS)
def test_it_is_named_within_six_seconds_of_its_first_anomaly(
    fault: Any, kind: str, subject: str
) -> None:
    incident = told(fault).only
    assert incident.opened_at_us - incident.started_at_us <= 6 * SECOND_US


# --- and what is no fault -------------------------------------------------------------------------


def hiccup(story: Story) -> None:
    """A busy moment of the machine: everything is slow and waits, for a few seconds."""
    story.inter_token_s = dict.fromkeys(REPLICAS, 0.3)
    for replica in REPLICAS:
        story.unusual(
            "inter_token_s_mean",
            kind="engine",
            labels={"replica": replica},
            actual=0.3,
            expected=0.08,
        )
    story.unusual("ttft_s_p95", labels={"tenant": "aspen"}, peak_score=1.4)
    story.unusual("queued_max", peak_score=1.3)
    story.passes(4)
    story.ends()
    story.inter_token_s = dict.fromkeys(REPLICAS, 0.08)


def lone_noise(story: Story) -> None:
    for feature in ("ttft_s_p95", "queue_s_p95", "arrived_per_s", "output_tokens_per_s"):
        noise = story.unusual(feature, labels={"tenant": "cedar"}, peak_score=1.4)
        story.passes(5)
        story.ends(noise)


def scale_down(story: Story) -> None:
    story.replica("codex-3", "draining")
    story.passes(3)
    story.replica("codex-3", "stopped")
    story.change("replica_stopped", "codex-3", "scaled to 2")
    story.ready(2, desired=2)
    silent(story, "codex-3")
    story.passes(4)
    story.ends()


def slow_start(story: Story) -> None:
    story.change("scaled", summary="3 to 4 replicas")
    story.replica("codex-4", "starting")
    silent(story, "codex-4")
    story.passes(8)
    story.replica("codex-4", "ready")
    story.passes(1)
    story.ends()


def busy_machine(story: Story) -> None:
    """Somebody else uses the processors: all replicas are far slower than expected, for long."""
    story.inter_token_s = {"codex-1": 0.25, "codex-2": 0.3, "codex-3": 0.3}
    story.passes(3)
    for number, replica in enumerate(("codex-1", "codex-2")):
        story.unusual(
            "inter_token_s_mean",
            kind="engine",
            labels={"replica": replica},
            actual=0.25 + 0.05 * number,
            expected=0.08,
            peak_score=8.0,
        )
        story.unusual(
            "stalled_s_max",
            kind="engine",
            labels={"replica": replica},
            detector="limit",
            peak_score=1.4,
        )
        story.passes(4)
    story.passes(20)
    story.ends()


@pytest.mark.parametrize("noise", [hiccup, lone_noise, scale_down, slow_start, busy_machine])
def test_ordinary_life_opens_no_incident(noise: Any) -> None:
    assert told(noise).published == []


# --- several things at once -----------------------------------------------------------------------


def test_a_death_during_a_surge_is_an_incident_of_its_own() -> None:
    def both(story: Story) -> None:
        traffic_surge(story)
        killed_replica(story)

    subjects = {i.subject.name for i in told(both).incidents.values()}
    assert subjects == {"codex", "codex-2"}


def test_a_replica_that_froze_and_recovered_can_die_later() -> None:
    def both(story: Story) -> None:
        silent(story, "codex-2")
        story.passes(4)
        story.ends()
        story.passes(20)
        story.change("replica_lost", "codex-2", "exit -9")
        story.passes(1)

    kinds = [i.causes[0].kind for i in told(both).incidents.values()]
    assert kinds == ["replica_frozen", "replica_lost"]


def test_two_replicas_that_freeze_are_two_incidents() -> None:
    def both(story: Story) -> None:
        silent(story, "codex-1")
        silent(story, "codex-2")
        story.passes(5)
        story.ends()

    subjects = {i.subject.name for i in told(both).incidents.values()}
    assert subjects == {"codex-1", "codex-2"}


def test_a_queue_before_its_culprit_is_known_becomes_the_culprits_incident() -> None:
    def slowly(story: Story) -> None:
        story.unusual("queued_max", peak_score=2.0)
        story.passes(8)
        silent(story, "codex-2")
        story.passes(3)
        story.ends()

    story = told(slowly)
    assert [story.published[0].subject.name, story.only.subject.name] == ["codex", "codex-2"]


def test_a_person_can_resolve_it_and_what_goes_on_opens_nothing_new() -> None:
    story = Story()
    silent(story, "codex-2")
    story.passes(3)
    command = Command(
        id="c1", at_us=story.now_us, kind="resolve", actor="ann", incident=story.only.id
    )
    story.arrive("commands", "c1", command)
    story.passes(200)
    assert story.only.timeline[-1] == (command.at_us + SECOND_US, "resolved by ann")


def test_a_replica_that_came_back_by_itself_needs_no_word_of_the_driver() -> None:
    story = Story()
    silent(story, "codex-2")
    story.passes(3)
    story.ends()
    story.passes(16)
    assert story.only.state == "resolved"


def test_users_are_hurt_when_good_clients_are_refused() -> None:
    story = Story()
    story.passes(10)
    story.traffic = dict.fromkeys(TENANTS, (4.0, 1.0))
    silent(story, "codex-2")
    story.passes(5)
    assert (story.only.users_hurt, story.only.severity) == (True, "critical")


def test_the_refusals_of_a_flooding_client_hurt_no_user() -> None:
    incident = told(client_flood).only
    assert (incident.users_hurt, incident.trust_hurt) == (False, True)


def test_the_timeline_tells_the_story_in_order() -> None:
    timeline = told(frozen_replica).only.timeline
    sentences = [sentence for _, sentence in timeline]
    assert [at for at, _ in timeline] == sorted(at for at, _ in timeline)
    assert "traffic moved away from codex-2" in sentences
    assert "codex-4 is ready and replaces codex-2" in sentences


def unique(values: Sequence[Any]) -> list[Any]:
    return [b for a, b in zip([None, *values], values, strict=False) if a != b]


def test_an_incident_is_published_only_when_it_changes() -> None:
    published = told(traffic_surge).published
    assert published == unique(published)
    assert len(published) < 12
