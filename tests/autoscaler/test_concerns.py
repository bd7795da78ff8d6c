from typing import Any

import pytest

from autoscaler.concerns import MAX_OPEN, Concerns
from autoscaler.situation import Block
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Cause, Incident, Subject
from tests.autoscaler.world import at

POOL = ("local", "codex")


def incident(number: int = 7, **but: Any) -> Incident:
    usual: dict[str, Any] = {
        "id": f"INC-{number}",
        "state": "open",
        "severity": "warning",
        "cluster": "local",
        "pool": "codex",
        "subject": Subject(kind="pool", name="codex"),
        "title": "t",
        "started_at_us": at(0),
        "opened_at_us": at(10),
        "updated_at_us": at(10),
        "causes": (),
    }
    return Incident(**(usual | but))


def blamed(name: str) -> tuple[Cause, ...]:
    client = Subject(kind="client", name=name)
    return (Cause(kind="client_errors", subject=client, weight=0.9, sentence="s"),)


def flood(**but: Any) -> Anomaly:
    usual: dict[str, Any] = {
        "id": "a1",
        "kind": "request",
        "series_id": "00",
        "labels": {"cluster": "local", "pool": "codex", "tenant": "eve"},
        "feature": "rejected_per_s",
        "unit": "requests/s",
        "started_at_us": at(0),
        "at_us": at(1),
        "score": 2.0,
        "peak_score": 2.0,
        "actual": 9.0,
        "expected": 0.0,
        "direction": "above",
        "detector": "ewma",
    }
    return Anomaly(**(usual | but))


def concerns(*records: Incident | Anomaly) -> Concerns:
    found = Concerns()
    for record in records:
        if isinstance(record, Incident):
            found.see_incident(record.id, record)
        else:
            found.see_anomaly(record)
    return found


@pytest.mark.parametrize(
    ("records", "blocks"),
    [
        pytest.param([incident(users_hurt=True)], 1, id="users-hurt"),
        pytest.param([incident(trust_hurt=True)], 1, id="figures-doubtful"),
        pytest.param([incident()], 0, id="neither"),
        pytest.param([incident(users_hurt=True, pool="sora")], 0, id="another-pool"),
        pytest.param([incident(users_hurt=True, cluster="edge")], 0, id="another-cluster"),
        pytest.param(
            [incident(users_hurt=True), incident(users_hurt=True, state="resolved")], 0, id="over"
        ),
    ],
)
def test_which_incidents_block(records: list[Incident], blocks: int) -> None:
    assert len(concerns(*records).blocks(POOL, at(70))) == blocks


def test_a_block_tells_its_age() -> None:
    found = concerns(incident(users_hurt=True)).blocks(POOL, at(70))

    assert found == (Block(incident="INC-7", open_s=60.0),)


@pytest.mark.parametrize(
    ("records", "suspects"),
    [
        pytest.param([incident(causes=blamed("eve"))], ("eve",), id="blamed-for-an-incident"),
        pytest.param([flood()], ("eve",), id="refused-unusually-often"),
        pytest.param([flood(), flood(ended_at_us=at(9))], (), id="no-longer"),
        pytest.param([flood(direction="below")], (), id="refused-unusually-seldom"),
        pytest.param([flood(feature="arrived_per_s")], (), id="much-traffic-alone-is-demand"),
        pytest.param([incident(causes=blamed("eve"), state="resolved")], (), id="resolved"),
    ],
)
def test_whose_demand_is_not_trusted(
    records: list[Incident | Anomaly], suspects: tuple[str, ...]
) -> None:
    assert concerns(*records).suspects(POOL) == suspects


def test_a_tombstone_forgets_an_incident() -> None:
    found = concerns(incident(users_hurt=True))
    found.see_incident("INC-7", None)

    assert found.blocks(POOL, at(70)) == ()


def test_concerns_outlive_a_restart() -> None:
    before, after = concerns(incident(trust_hurt=True), flood()), Concerns()
    after.restore({key: value for key, value in before.take_changes().items() if value})

    assert not after.trusted(POOL)
    assert after.suspects(POOL) == ("eve",)


def test_changes_are_told_once_and_name_what_to_forget() -> None:
    found = concerns(incident())
    assert found.take_changes().keys() == {"incident/INC-7"}

    found.see_incident("INC-7", incident(state="resolved"))
    assert found.take_changes() == {"incident/INC-7": None}
    assert found.take_changes() == {}


def test_the_oldest_goes_when_there_are_too_many() -> None:
    found = concerns(*(incident(number, users_hurt=True) for number in range(MAX_OPEN + 1)))

    assert len(found.blocks(POOL, at(70))) == MAX_OPEN
    assert found.take_changes()["incident/INC-0"] is None
