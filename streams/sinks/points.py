"""Windows, anomalies, incidents, decisions, alerts, pools, changes in; points out."""

import math
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np

from streams.clock import SECOND_US
from streams.origin_rows import COUNTS, rows_of
from streams.schemas.anomalies import Anomaly
from streams.schemas.base import Record
from streams.schemas.incidents import Alert, Incident
from streams.schemas.scaling import Decision, PoolStatus, ReplicaStatus
from streams.schemas.system import Quality
from streams.schemas.telemetry import Change
from streams.series import SERIES_LABELS
from streams.sinks.base import FieldValue, Point
from streams.windows.features import VALUES
from streams.windows.table import Table
from streams.windows.values import derive

MAX_TAG_CHARS: Final = 200
MAX_TEXT_CHARS: Final = 4_000
_INT64: Final = range(-(2**63), 2**63)


_FIELDS: Final = {
    "anomaly": "id title score peak_score actual expected lower upper p direction detector unit"
    " open end_ms",
    "incident": "id title state open severity subject_kind subject cause cause_sentence"
    " cause_weight anomalies users_hurt trust_hurt started_ms end_ms",
    "decision": "current desired proposed reactive missed reactive_missed demand capacity"
    " capacity_per_replica capacity_identified forecast_low forecast_high forecast_quantile"
    " horizon_s forecast_model reason guards ladder dry_run unattainable",
    "alert": "id incident status delivery severity title attempts error",
    "pool": "desired ready starting draining failed min_replicas max_replicas model ladder",
    "replica": "state ready since_ms gpus node reason",
    "change": "id title actor replica node",
    "quality": "records accepted late far_future dead duplicate_frames behind_s given_up "
    "missed_rows lost",
    "origin": "records late far_future dead repeated_frames lost_frames least_behind_s doubtful "
    "implausible",
}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    **{measurement: tuple(fields.split()) for measurement, fields in _FIELDS.items()},
    **{f"window_{kind}": tuple(one.name for one in values) for kind, values in VALUES.items()},
    "window_gpu": (*(one.name for one in VALUES["gpu"]), "owner"),
}
"""Measurement -> its fields, for whoever writes queries (``dashboards/panels.py``)."""


def window_points(table: Table, *, interval_s: float) -> list[Point]:
    """One point a row of final windows, at the window's start; what was not seen has no field."""
    values = derive(table, interval_s=interval_s)
    shown = [value.name for value in VALUES[table.kind]]
    names = [name for name in shown if not np.isnan(values[name]).all()]
    rows = np.column_stack([values[name] for name in names]).tolist() if names else []
    series, starts = table.series.tolist(), table.window_us.tolist()
    measurement = f"window_{table.kind}"
    tags = {one: _series_tags(table.kind, table.labels[one]) for one in set(series)}
    # Who holds a GPU changes too often for a tag.
    texts = {one: {"owner": labels.get("owner") or None} for one, labels in table.labels.items()}
    made = (
        _point(measurement, at_us, tags[one], texts[one] | dict(zip(names, row, strict=True)))
        for one, at_us, row in zip(series, starts, rows, strict=True)
    )
    return [point for point in made if point]


def record_points(record: Record) -> list[Point]:
    """The points of one record, newest wins; none for kinds that are not kept."""
    if isinstance(record, Quality) and record.origins is not None:
        return _origins(record)
    make = _RECORDS.get(type(record))
    point = make(record) if make else None
    return [point] if point else []


def _anomaly(a: Anomaly) -> Point | None:
    # Detector and direction may change while it lasts: as tags they would make it two points.
    return _of(
        "anomaly",
        a,
        a.started_at_us,
        {**_series_tags(a.kind, a.labels), "kind": a.kind, "feature": a.feature},
        title=a.sentence or f"{a.feature} {a.direction} expected",
        open=a.ended_at_us is None,
        end_ms=(a.ended_at_us or a.at_us) // 1_000,
    )


def _incident(i: Incident) -> Point | None:
    cause = i.causes[0] if i.causes else None
    return _of(
        "incident",
        i,
        _apart(i.opened_at_us, i.id),
        _tags(i),
        open=i.state == "open",
        subject_kind=i.subject.kind,
        subject=i.subject.name,
        cause=cause.kind if cause else "unknown",
        cause_sentence=cause.sentence if cause else "",
        cause_weight=cause.weight if cause else 0.0,
        anomalies=len(i.anomalies),
        started_ms=i.started_at_us // 1_000,
        end_ms=(i.resolved_at_us or i.updated_at_us) // 1_000,
    )


def _decision(d: Decision) -> Point | None:
    capacity = d.capacity_per_replica
    quantiles = d.forecast.quantiles if d.forecast else ()
    high = d.forecast.planned if d.forecast and quantiles else None
    low = min(quantiles, key=lambda one: one.q, default=None)
    return _of(
        "decision",
        d,
        d.at_us,
        _tags(d),
        capacity=None if capacity is None else capacity * d.current,
        forecast_low=low.value if low else None,
        forecast_high=high.value if high else None,
        forecast_quantile=high.q if high else None,
        horizon_s=d.forecast.horizon_s if d.forecast else None,
        forecast_model=d.forecast.model if d.forecast else "",
        guards=",".join(d.guards),
    )


def _alert(a: Alert) -> Point | None:
    return _of("alert", a, _apart(a.at_us, a.id), {"channel": a.channel})


def _pool(p: PoolStatus) -> Point | None:
    return _of("pool", p, p.at_us, {**_tags(p), "service": p.service})


def _replica(r: ReplicaStatus) -> Point | None:
    return _of(
        "replica",
        r,
        r.at_us,
        {**_tags(r), "replica": r.replica},
        ready=r.state == "ready",
        since_ms=r.since_us // 1_000,
    )


def _change(c: Change) -> Point | None:
    tags = {**_tags(c), "kind": c.kind}
    return _of("change", c, _apart(c.at_us, c.id), tags, title=c.summary)


def _quality(q: Quality) -> Point | None:
    tags = {
        "source": q.source,
        "partition": str(q.partition),
        "shard": "" if q.shard is None else str(q.shard),
        "site": q.site,
    }
    return _of("quality", q, q.at_us, tags, given_up=int(q.given_up))


def _origins(q: Quality) -> list[Point]:
    """One for each that is spoken of."""
    points = []
    for name, row in rows_of(q):
        tags = {"source": q.source, "partition": str(q.partition), "site": q.site, "origin": name}
        fields: dict[str, FieldValue | None] = {count: getattr(row, count) for count in COUNTS}
        fields |= {
            "least_behind_s": row.least_behind_us / SECOND_US,
            "doubtful": sum(one.doubtful for one in row.doubtful),
            "implausible": sum(one.implausible for one in row.doubtful),
        }
        points.append(_point("origin", q.at_us, tags, fields))
    return [point for point in points if point]


def _tags(record: Incident | Decision | PoolStatus | ReplicaStatus | Change) -> dict[str, str]:
    return {"cluster": record.cluster, "pool": record.pool}


def _of(
    measurement: str,
    record: Record,
    at_us: int,
    tags: Mapping[str, str],
    **derived: FieldValue | None,
) -> Point | None:
    """The point of a record: its own fields of the measurement's names, and those derived."""
    own = (name for name in FIELDS[measurement] if name not in derived)
    return _point(measurement, at_us, tags, {**{n: getattr(record, n) for n in own}, **derived})


_RECORDS: Final[Mapping[type[Record], Callable[..., Point | None]]] = {
    Anomaly: _anomaly,
    Incident: _incident,
    Decision: _decision,
    Alert: _alert,
    PoolStatus: _pool,
    ReplicaStatus: _replica,
    Change: _change,
    Quality: _quality,
}


def _apart(at_us: int, id_: str) -> int:
    """Two records of one pool and second must not be one point; ids as tags would grow for ever.

    Up to 0.1 s is added, always the same for the same id.
    """
    return at_us + zlib.crc32(id_.encode()) % 100_000


def _series_tags(kind: str, labels: Mapping[str, str]) -> dict[str, str]:
    return {name: labels.get(name, "") for name in SERIES_LABELS[kind]}


def _point(
    measurement: str,
    at_us: int,
    tags: Mapping[str, str],
    fields: Mapping[str, FieldValue | None],
) -> Point | None:
    """None where no field is left: a point needs one."""
    kept = dict(_kept(fields.items()))
    clean = {name: text for name, value in tags.items() if (text := _tag(value))}
    return Point(measurement=measurement, at_us=at_us, tags=clean, fields=kept) if kept else None


def _kept(fields: Iterable[tuple[str, FieldValue | None]]) -> Iterable[tuple[str, FieldValue]]:
    for name, value in fields:
        match value:
            case None:
                continue
            case float() if not math.isfinite(value):
                continue
            case int() if value not in _INT64:
                continue
            case str():
                yield name, value[:MAX_TEXT_CHARS]
            case _:
                yield name, value


def _tag(value: str) -> str:
    """Line protocol has no way to say a line break or a trailing backslash inside a tag."""
    return (
        "".join(c if c.isprintable() else " " for c in value[:MAX_TAG_CHARS]).strip().rstrip("\\")
    )
