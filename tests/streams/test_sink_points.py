from typing import Any

import numpy as np
import pytest

from streams.schemas.anomalies import Anomaly
from streams.schemas.base import Record
from streams.schemas.incidents import Alert, Cause, Incident, Subject
from streams.schemas.origins import Doubtful, Origins
from streams.schemas.scaling import Decision, Forecast, PoolStatus, Quantile, ReplicaStatus
from streams.schemas.system import Quality
from streams.schemas.telemetry import Change, EngineSample, RequestEvent
from streams.sinks.points import FIELDS, record_points, window_points
from streams.windows.delta import to_table

NOON_US = 1_767_268_800_000_000
FAR = 10**30

ANOMALY = Anomaly(
    id="a1", kind="engine", series_id="00" * 8, feature="engine.up_min", unit="ratio",
    labels={"cluster": "local", "pool": "codex", "replica": "codex-2", "version": "7"},
    started_at_us=NOON_US, at_us=NOON_US + 4_000_000, score=1.4, peak_score=2.0, actual=0.0,
    expected=1.0, lower=0.9, upper=1.0, p=0.001, direction="below", detector="limit",
)  # fmt: skip
INCIDENT = Incident(
    id="INC-1", state="open", severity="critical", cluster="local", pool="codex", title="frozen",
    subject=Subject(kind="replica", name="codex-2"), started_at_us=NOON_US, opened_at_us=NOON_US,
    updated_at_us=NOON_US,
    causes=(Cause(kind="replica_frozen", subject=Subject(kind="replica", name="x"), weight=0.9,
                  sentence="it is"),),
)  # fmt: skip
DECISION = Decision(
    id="codex@1", at_us=NOON_US, cluster="local", pool="codex", current=2, desired=3, proposed=3,
    reason="load", ladder="full", reactive=2, demand=7.0, capacity_per_replica=4.0,
    forecast=Forecast(
        feature="demand", unit="slots", horizon_s=10.0, model="blend",
        quantiles=(Quantile(q=0.5, value=8.0), Quantile(q=0.95, value=11.0)),
    ),
)  # fmt: skip
ALERT = Alert(
    id="t1", incident="INC-1", channel="webhook", status="firing", delivery="pending",
    at_us=NOON_US, severity="critical", title="frozen",
)  # fmt: skip
POOL = PoolStatus(pool="codex", service="codex", model="m", at_us=NOON_US, desired=3, ready=2)
REPLICA = ReplicaStatus(
    pool="codex", replica="codex-2", state="ready", since_us=NOON_US, at_us=NOON_US
)
CHANGE = Change(id="c1", at_us=NOON_US, kind="scaled", summary="2 to 3", pool="codex")
QUALITY = Quality(
    at_us=NOON_US, source="requests", partition=0, records=5, accepted=5, behind_s=0.1
)
ORIGINS = QUALITY.but(
    records=0, accepted=0, origins=Origins(from_us=NOON_US, names=("node-3",), records=(5,))
)
RECORDS = [ANOMALY, INCIDENT, DECISION, ALERT, POOL, REPLICA, CHANGE, QUALITY, ORIGINS]


def points_of(*records: Record) -> list[Any]:
    return [point for record in records for point in record_points(record)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_the_catalogue_names_exactly_what_is_written(record: Record) -> None:
    (point,) = record_points(record)
    assert set(point.fields) == set(FIELDS[point.measurement])


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_the_same_record_is_the_same_point(record: Record) -> None:
    assert record_points(record) == record_points(record.but())


def test_an_anomaly_that_goes_on_stays_one_point() -> None:
    later = ANOMALY.but(
        at_us=NOON_US + 9_000_000, score=3.0, detector="ewma", direction="above",
        ended_at_us=NOON_US + 9_000_000,
    )  # fmt: skip
    first, last = points_of(ANOMALY, later)
    assert first.identity == last.identity
    assert (first.fields["open"], last.fields["open"]) == (True, False)


def test_an_incident_that_is_resolved_stays_one_point() -> None:
    over = INCIDENT.but(state="resolved", resolved_at_us=NOON_US + 60_000_000, severity="warning")
    first, last = points_of(INCIDENT, over)
    assert first.identity == last.identity


def test_two_incidents_of_one_second_stay_apart() -> None:
    first, other = points_of(INCIDENT, INCIDENT.but(id="INC-2"))
    assert first.identity != other.identity
    assert abs(first.at_us - NOON_US) < 100_000


def test_labels_that_may_change_are_no_tags() -> None:
    (point,) = record_points(ANOMALY)
    assert set(point.tags) == {"cluster", "pool", "replica", "kind", "feature"}


def test_capacity_is_that_of_the_replicas_there_are() -> None:
    (point,) = record_points(DECISION)
    assert (point.fields["capacity"], point.fields["forecast_high"]) == (8.0, 11.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), FAR])
def test_what_no_store_can_hold_is_left_out(value: float) -> None:
    (point,) = record_points(POOL.but(ready=value))
    assert "ready" not in point.fields


def test_tags_that_line_protocol_cannot_say_are_mended() -> None:
    (point,) = record_points(POOL.but(pool="a\nb\\", service=""))
    assert point.tags == {"cluster": "local", "pool": "a b"}


def test_windows_become_points_with_what_was_seen() -> None:
    events = [
        RequestEvent(kind="arrived", at_us=NOON_US, pool="codex", tenant="birch"),
        RequestEvent(kind="arrived", at_us=NOON_US + 900_000, pool="codex", tenant="birch"),
        RequestEvent(kind="finished", at_us=NOON_US + 1_000_000, pool="codex", ttft_s=0.5),
    ]
    table = to_table("request", events, interval_us=1_000_000)
    points = sorted(window_points(table, interval_s=1.0), key=lambda one: one.at_us)
    assert [(one.at_us, one.tags) for one in points] == [
        (NOON_US, {"cluster": "local", "pool": "codex", "tenant": "birch"}),
        (NOON_US + 1_000_000, {"cluster": "local", "pool": "codex"}),
    ]
    assert points[0].fields["arrived_per_s"] == 2.0
    assert points[1].fields["ttft_s_p95"] == pytest.approx(0.5, rel=0.02)
    assert "ttft_s_p95" not in points[0].fields


def test_numbers_of_windows_are_always_floats() -> None:
    table = to_table(
        "engine",
        [EngineSample(at_us=NOON_US, pool="p", replica="r", up=1.0)],
        interval_us=1_000_000,
    )
    (point,) = window_points(table, interval_s=1.0)
    assert {type(value) for value in point.fields.values()} == {float}
    assert np.isfinite(list(point.fields.values())).all()


def test_an_empty_table_has_no_points() -> None:
    assert window_points(to_table("gpu", [], interval_us=1_000_000), interval_s=10.0) == []


def test_each_sender_has_a_point() -> None:
    doubtful = Doubtful(
        origin=1, field="ttft_s", values=9, doubtful=7, implausible=2, least=40.0, most=400.0
    )
    origins = Origins(
        from_us=NOON_US,
        names=("node-3", "gateway-7"),
        records=(5, 9),
        least_behind_us=(-2_500_000, 0),
        doubtful=(doubtful,),
    )
    points = points_of(QUALITY.but(origins=origins))
    assert [point.tags["origin"] for point in points] == ["node-3", "gateway-7"]
    assert [point.fields["least_behind_s"] for point in points] == [-2.5, 0.0]
    assert [point.fields["doubtful"] for point in points] == [0, 7]
