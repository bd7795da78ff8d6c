"""Incidents and anomalies in; which pools must not shrink and whose demand is not trusted out."""

from collections.abc import Mapping
from typing import Final, TypeVar

from autoscaler.demand import PoolKey
from autoscaler.situation import Block
from streams.clock import SECOND_US
from streams.codec import decode_record, encode_record
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Incident

R = TypeVar("R", Incident, Anomaly)

INCIDENT_PREFIX: Final = "incident/"
FLOOD_PREFIX: Final = "flood/"
BUSY: Final = frozenset({"traffic_surge", "capacity_short"})
"""Causes of incidents in which replicas only have much to do."""
MAX_OPEN: Final = 1_000
"""Incidents and anomalies kept; beyond, the oldest is forgotten."""


class Concerns:
    """The open incidents and the open anomalies of clients' traffic."""

    def __init__(self) -> None:
        self._incidents: dict[str, Incident] = {}
        self._floods: dict[str, Anomaly] = {}
        self._changes: dict[str, bytes | None] = {}

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Instead of what is there."""
        for table in (self._incidents, self._floods, self._changes):
            table.clear()
        for key, value in state.items():
            if key.startswith(INCIDENT_PREFIX):
                incident = decode_record(value, Incident)
                self._incidents[incident.id] = incident
            elif key.startswith(FLOOD_PREFIX):
                anomaly = decode_record(value, Anomaly)
                self._floods[anomaly.id] = anomaly

    def whole(self) -> dict[str, bytes]:
        """All that there is to keep."""
        incidents = {INCIDENT_PREFIX + name: row for name, row in self._incidents.items()}
        floods = {FLOOD_PREFIX + name: row for name, row in self._floods.items()}
        return {key: encode_record(row) for key, row in (incidents | floods).items()}

    def take_changes(self) -> dict[str, bytes | None]:
        """What to keep or forget since the last call."""
        changes, self._changes = self._changes, {}
        return changes

    def see_incident(self, key: str, incident: Incident | None) -> None:
        """The newest record of an incident; None is a tombstone of the key."""
        is_open = incident is not None and incident.state == "open"
        name = incident.id if incident else key
        self._update(self._incidents, INCIDENT_PREFIX, name, incident if is_open else None)

    def see_anomaly(self, anomaly: Anomaly) -> None:
        """Only those that say a client's requests are refused unusually often are kept."""
        is_open = anomaly.ended_at_us is None and _is_flood(anomaly)
        self._update(self._floods, FLOOD_PREFIX, anomaly.id, anomaly if is_open else None)

    def blocks(self, pool: PoolKey, now_us: int) -> tuple[Block, ...]:
        """Open incidents in which users are hurt or the figures of the pool are doubtful."""
        return tuple(
            Block(
                incident=incident.id,
                open_s=max(0.0, (now_us - incident.opened_at_us) / SECOND_US),
            )
            for incident in self._of(pool)
            if incident.users_hurt or incident.trust_hurt
        )

    def trusted(self, pool: PoolKey) -> bool:
        return not any(incident.trust_hurt for incident in self._of(pool))

    def usual(self, pool: PoolKey) -> bool:
        """Nothing is wrong with the pool but that much is asked of it."""
        return self.trusted(pool) and all(
            incident.causes[:1] and incident.causes[0].kind in BUSY for incident in self._of(pool)
        )

    def suspects(self, pool: PoolKey) -> tuple[str, ...]:
        """Clients whose traffic is the likely cause of an open incident, or is anomalous."""
        blamed = {
            cause.subject.name
            for incident in self._of(pool)
            for cause in incident.causes[:1]
            if cause.kind == "client_errors" and cause.subject.kind == "client"
        }
        flooding = {
            anomaly.labels["tenant"]
            for anomaly in self._floods.values()
            if (anomaly.labels.get("cluster", ""), anomaly.labels.get("pool", "")) == pool
        }
        return tuple(sorted(blamed | flooding))

    def _update(self, table: dict[str, R], prefix: str, name: str, row: R | None) -> None:
        if table.pop(name, None) is not None:
            self._changes[prefix + name] = None
        if row is None:
            return
        if len(table) >= MAX_OPEN:
            oldest = next(iter(table))
            del table[oldest]
            self._changes[prefix + oldest] = None
        table[name] = row
        self._changes[prefix + name] = encode_record(row)

    def _of(self, pool: PoolKey) -> list[Incident]:
        return [row for row in self._incidents.values() if (row.cluster, row.pool) == pool]


def _is_flood(anomaly: Anomaly) -> bool:
    return (
        anomaly.kind == "request"
        and anomaly.direction == "above"
        and anomaly.feature.removeprefix("request.").startswith("rejected")
        and bool(anomaly.labels.get("tenant"))
    )
