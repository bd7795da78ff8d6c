from typing import Any

import pytest

from detectors.incidents import memory as module
from detectors.incidents.memory import Memory
from streams.clock import SECOND_US
from streams.errors import CorruptMessageError
from streams.schemas.anomalies import Anomaly
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.stage import Arrival

NOW_US = 1_767_225_600 * SECOND_US
CODEX = ("local", "codex")


def at(ago_s: float) -> int:
    return NOW_US - round(ago_s * SECOND_US)


def anomaly(name: str = "a", *, ago_s: float = 4, **but: Any) -> Anomaly:
    usual: dict[str, Any] = {
        "id": name,
        "kind": "engine",
        "series_id": "0",
        "labels": {"cluster": "local", "pool": "codex", "replica": "codex-2"},
        "feature": "engine.up_min",
        "unit": "",
        "started_at_us": at(ago_s),
        "at_us": at(1),
        "score": 2.0,
        "peak_score": 2.0,
        "actual": 0.0,
        "expected": 1.0,
        "direction": "below",
        "detector": "limit",
    }
    return Anomaly(**(usual | but))


def replica(state: Any, since_s: float) -> ReplicaStatus:
    return ReplicaStatus(
        pool="codex", replica="codex-2", state=state, since_us=at(since_s), at_us=NOW_US
    )


def change(name: str = "c", *, ago_s: float = 1) -> Change:
    return Change(id=name, at_us=at(ago_s), kind="replica_lost", summary="", pool="codex")


def remembering(*records: Any) -> Memory:
    memory = Memory()
    for record in records:
        memory.take(Arrival(at_us=NOW_US, id="", topic="", record=record))
    memory.forget(NOW_US)
    return memory


@pytest.mark.parametrize(
    ("state", "since_s", "seen"),
    [
        pytest.param("ready", 60, True, id="ready-for-long"),
        pytest.param("ready", 3, True, id="ready-and-silent-ever-since"),
        pytest.param("ready", 1.5, False, id="silent-only-before-it-was-ready"),
        pytest.param("starting", 8, False, id="still-starting"),
        pytest.param("draining", 8, False, id="draining-on-order"),
        pytest.param("draining", 2, True, id="silent-before-it-was-told-to-drain"),
        pytest.param("failed", 2, True, id="failed"),
    ],
)
def test_a_replica_that_need_not_answer_is_no_fault(
    state: Any, since_s: float, *, seen: bool
) -> None:
    memory = remembering(anomaly(), replica(state, since_s))
    assert bool(memory.scene(CODEX, NOW_US).anomalies) == seen


@pytest.mark.parametrize(
    ("waited_s", "seen"),
    [
        pytest.param(90.0, False, id="within-the-slo"),
        pytest.param(121.0, True, id="longer-than-promised"),
    ],
)
def test_a_wait_that_the_slo_allows_is_no_fault(waited_s: float, *, seen: bool) -> None:
    wait = anomaly(
        kind="request", feature="request.queue_s_p95", actual=waited_s, direction="above"
    )
    memory = remembering(wait)
    memory.pools["local/codex"] = pool().but(slo_queue_s=120.0)

    assert bool(memory.scene(CODEX, NOW_US).anomalies) == seen


def test_a_replica_nobody_knows_is_taken_as_it_is() -> None:
    assert remembering(anomaly()).scene(CODEX, NOW_US).anomalies == (anomaly(),)


def test_an_anomaly_without_word_for_a_minute_is_over() -> None:
    old = anomaly(ago_s=90, at_us=at(61))
    memory = Memory()
    memory.anomalies[old.id] = old
    (seen,) = memory.scene(CODEX, NOW_US).anomalies
    assert seen.ended_at_us == at(61)


@pytest.mark.parametrize(("ended_s", "kept"), [(14, True), (16, False)])
def test_an_anomaly_is_remembered_fifteen_seconds_beyond_its_end(
    ended_s: float, *, kept: bool
) -> None:
    memory = remembering(anomaly(ended_at_us=at(ended_s)))
    assert bool(memory.anomalies) == kept


def test_changes_are_remembered_for_two_minutes() -> None:
    memory = remembering(change("old", ago_s=121), change("new", ago_s=119))
    assert list(memory.changes) == ["new"]


def test_a_replica_that_takes_a_name_again_can_be_lost_again() -> None:
    memory = remembering(change(ago_s=60), change(ago_s=60), change(ago_s=1))
    assert [c.at_us for c in memory.scene(CODEX, NOW_US).changes] == [at(60), at(1)]


def test_a_replica_that_was_removed_is_forgotten() -> None:
    memory = remembering(replica("stopped", 1))
    memory.take(Arrival(at_us=NOW_US, id="", topic="pools", key="local/codex/codex-2", record=None))
    assert memory.scene(CODEX, NOW_US).replicas == {}


def test_labels_without_a_cluster_mean_our_own() -> None:
    memory = Memory(cluster="west")
    stranger = anomaly(labels={"pool": "codex"})
    memory.take(Arrival(at_us=NOW_US, id="", topic="anomalies", record=stranger))
    assert memory.scene(("west", "codex"), NOW_US).anomalies == (stranger,)


def test_when_there_is_too_much_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANOMALIES", 2)
    memory = remembering(*[anomaly(name, at_us=at(9 - n)) for n, name in enumerate("abc")])
    assert sorted(memory.anomalies) == ["b", "c"]


def pool() -> PoolStatus:
    return PoolStatus(pool="codex", service="codex", model="m", at_us=NOW_US, desired=1, ready=1)


def test_only_what_changed_is_stored() -> None:
    memory = remembering(anomaly(), change(), replica("ready", 60), pool())
    assert set(memory.unsaved()) == {
        "anomaly/a",
        "change/c",
        "replica/local/codex/codex-2",
        "pool/local/codex",
    }
    memory.take(Arrival(at_us=NOW_US, id="", topic="changes", record=change("d")))
    del memory.anomalies["a"]
    assert {key: value is None for key, value in memory.unsaved().items()} == {
        "change/d": False,
        "anomaly/a": True,
    }
    assert memory.unsaved() == {}


def test_what_was_stored_is_restored() -> None:
    before = remembering(anomaly(), change(), replica("ready", 60), pool())
    stored = {key: value for key, value in before.unsaved().items() if value is not None}
    after = Memory()
    after.restore(stored)
    assert after.scene(CODEX, NOW_US) == before.scene(CODEX, NOW_US)
    assert after.unsaved() == {}


def test_state_of_a_later_version_is_left_where_it_is() -> None:
    memory = Memory()
    memory.restore({"dream/1": b"{}"})
    assert memory.unsaved() == {}


def test_state_that_cannot_be_read_says_what_is_wrong() -> None:
    with pytest.raises(CorruptMessageError, match="Anomaly"):
        Memory().restore({"anomaly/a": b"{}"})
