"""What RESPOND remembers between steps: bounded, and storable record by record."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from detectors.incidents.case import Case
from detectors.incidents.facts import PoolFacts, PoolKey, learn
from detectors.incidents.scene import Scene, feature_of
from detectors.state import Ledger
from streams.clock import SECOND_US
from streams.codec import decode_record
from streams.schemas.anomalies import Anomaly
from streams.schemas.base import Record
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.stage import Arrival
from streams.windows.table import Table

R = TypeVar("R", bound=Record)

CHANGES_FOR_US: Final = 120 * SECOND_US
ANOMALIES_FOR_US: Final = 15 * SECOND_US
"""After its end: later anomalies may be its consequences."""
SILENT_AFTER_US: Final = 60 * SECOND_US
"""An open anomaly without word for so long is over: whoever watched it is gone."""
SETTLES_US: Final = 2 * SECOND_US
"""After a replica became ready, windows of before may still speak of it."""

MAX_ANOMALIES: Final = 2_000
MAX_CHANGES: Final = 1_000
MAX_REPLICAS: Final = 20_000
MAX_POOLS: Final = 2_000
"""Of each the oldest are forgotten first when there are more."""


class Memory:
    """All that a step needs to know; ``restore`` and ``unsaved`` carry it over a restart."""

    def __init__(self, *, cluster: str = "local") -> None:
        self.cluster = cluster
        self.anomalies: dict[str, Anomaly] = {}
        self.changes: dict[str, Change] = {}
        self.replicas: dict[str, ReplicaStatus] = {}
        self.pools: dict[str, PoolStatus] = {}
        self.facts: dict[PoolKey, PoolFacts] = {}
        self.cases: dict[str, Case] = {}
        self._ledger = Ledger()

    # --- taking in ------------------------------------------------------------------------------

    def take(self, arrival: Arrival) -> None:
        match arrival.record:
            case Anomaly() as anomaly:
                self.anomalies[anomaly.id] = anomaly
            case Change() as change:
                self._note(change)
            case ReplicaStatus() as replica:
                self.replicas[_replica_key(replica)] = replica
            case PoolStatus() as pool:
                self.pools[f"{pool.cluster}/{pool.pool}"] = pool
            case None if arrival.topic == "pools":
                self.pools.pop(arrival.key, None)
                self.replicas.pop(arrival.key, None)
            case _:
                pass  # Windows come by `learn`; commands are for others.

    def learn(self, tables: Sequence[Table]) -> None:
        """All windows of a tick together: a shard may have cut a second into several blocks."""
        self.facts |= learn(self.facts, tables)

    def _note(self, change: Change) -> None:
        """A replica whose name is used again may be lost twice, under the same id."""
        known = self.changes.get(change.id)
        if known is not None and known.at_us != change.at_us:
            change = change.but(id=f"{change.id}@{change.at_us}")
        self.changes[change.id] = change

    def forget(self, now_us: int) -> None:
        """Drop what is too old to matter, then the oldest of what is too much."""
        self.changes = {c.id: c for c in self.changes.values() if c.at_us > now_us - CHANGES_FOR_US}
        self.cases = {c.incident.id: c for c in self.cases.values() if self._is_kept(c, now_us)}
        kept = {name for case in self.cases.values() for name in case.incident.anomalies}
        self.anomalies = {
            a.id: a
            for a in self.anomalies.values()
            if (a.id in kept and a.ended_at_us is None) or _last_us(a) > now_us - ANOMALIES_FOR_US
        }
        self.anomalies = _newest(self.anomalies, MAX_ANOMALIES)
        self.changes = _newest(self.changes, MAX_CHANGES)
        self.replicas = _newest(self.replicas, MAX_REPLICAS)
        self.pools = _newest(self.pools, MAX_POOLS)
        self.facts = _newest(self.facts, MAX_POOLS)

    def _is_kept(self, case: Case, now_us: int) -> bool:
        """Closed cases stay as long as their evidence could open something again."""
        closed_us = case.incident.resolved_at_us
        if closed_us is None or now_us - closed_us <= CHANGES_FOR_US:
            return True
        evidence = (self.anomalies.get(name) for name in case.incident.anomalies)
        return any(a is not None and a.ended_at_us is None for a in evidence)

    # --- giving out -----------------------------------------------------------------------------

    def busy_pools(self) -> list[PoolKey]:
        """Pools of which there is anything to say."""
        keys = {self._pool_of(a) for a in self.anomalies.values()}
        keys |= {(c.cluster, c.pool) for c in self.changes.values()}
        keys |= {(c.incident.cluster, c.incident.pool) for c in self.cases.values()}
        return sorted(keys)

    def cases_of(self, key: PoolKey) -> list[Case]:
        """Oldest first, whatever the order they were restored in."""
        cases = [c for c in self.cases.values() if (c.incident.cluster, c.incident.pool) == key]
        return sorted(cases, key=lambda c: (c.incident.opened_at_us, c.incident.id))

    def scene(self, key: PoolKey, now_us: int) -> Scene:
        """The pool now, without what belongs to an incident that is closed."""
        cases = self.cases_of(key)
        closed = [c.incident for c in cases if not c.is_open]
        over = {name for incident in closed for name in (*incident.anomalies, *incident.changes)}
        replicas = {r.replica: r for r in self.replicas.values() if (r.cluster, r.pool) == key}
        status = self.pools.get("/".join(key))
        anomalies = [
            seen
            for a in self.anomalies.values()
            if a.id not in over
            and self._pool_of(a) == key
            and not _is_promised(a, status)
            and (seen := _as_seen(a, replicas.get(a.labels.get("replica", "")), now_us))
        ]
        changes = [
            c for c in self.changes.values() if c.id not in over and (c.cluster, c.pool) == key
        ]
        return Scene(
            cluster=key[0],
            pool=key[1],
            now_us=now_us,
            anomalies=tuple(sorted(anomalies, key=lambda a: (a.started_at_us, a.id))),
            changes=tuple(sorted(changes, key=lambda c: (c.at_us, c.id))),
            replicas=replicas,
            status=status,
            facts=self.facts.get(key, PoolFacts()),
            frozen=frozenset(
                c.incident.subject.name for c in cases if c.is_open and c.kind == "replica_frozen"
            ),
        )

    def _pool_of(self, anomaly: Anomaly) -> PoolKey:
        labels = anomaly.labels
        return labels.get("cluster") or self.cluster, labels.get("pool", "")

    # --- over a restart -------------------------------------------------------------------------

    def unsaved(self) -> dict[str, bytes | None]:
        """State key -> bytes of what changed since the last call; None for what is gone."""
        return self._ledger.changed(self._all())

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Raises CorruptMessageError for state that this version cannot read."""
        for key, data in sorted(state.items()):
            shelf, _, name = key.partition("/")
            match shelf:
                case "anomaly":
                    self.anomalies[name] = decode_record(data, Anomaly)
                case "change":
                    self.changes[name] = decode_record(data, Change)
                case "replica":
                    self.replicas[name] = decode_record(data, ReplicaStatus)
                case "pool":
                    self.pools[name] = decode_record(data, PoolStatus)
                case "facts":
                    cluster, _, pool = name.partition("/")
                    self.facts[cluster, pool] = decode_record(data, PoolFacts)
                case "case":
                    self.cases[name] = decode_record(data, Case)
                case _:
                    continue  # Of a later version: left where it is.
        self._ledger.restored(self._all())

    def _all(self) -> Iterator[tuple[str, Record]]:
        shelves: Mapping[str, Mapping[str, Record]] = {
            "anomaly": self.anomalies,
            "change": self.changes,
            "replica": self.replicas,
            "pool": self.pools,
            "facts": {"/".join(key): facts for key, facts in self.facts.items()},
            "case": self.cases,
        }
        for shelf, records in shelves.items():
            for name, record in records.items():
                yield f"{shelf}/{name}", record


K = TypeVar("K")


def _newest(records: dict[K, R], limit: int) -> dict[K, R]:
    if len(records) <= limit:
        return records
    ordered = sorted(records.items(), key=lambda item: (_age_us(item[1]), str(item[0])))
    return dict(ordered[-limit:])


def _age_us(record: Record) -> int:
    at_us = msgspec.structs.asdict(record).get("at_us", 0)
    return int(at_us)


def _replica_key(status: ReplicaStatus) -> str:
    return f"{status.cluster}/{status.pool}/{status.replica}"


def _last_us(anomaly: Anomaly) -> int:
    """When it ended, or when it will be over if nothing more is heard of it."""
    return anomaly.ended_at_us or anomaly.at_us + SILENT_AFTER_US


def _is_promised(anomaly: Anomaly, pool: PoolStatus | None) -> bool:
    """A wait that the pool's own SLO allows: detectors have one limit for all pools."""
    waits = anomaly.kind == "request" and feature_of(anomaly) == "queue_s"
    return waits and pool is not None and anomaly.actual <= pool.slo_queue_s


def _as_seen(anomaly: Anomaly, status: ReplicaStatus | None, now_us: int) -> Anomaly | None:
    """The anomaly in the light of what its replica was doing; None for what is no fault.

    A replica that starts, drains or has stopped on order does not answer, and need not.
    """
    if now_us - anomaly.at_us > SILENT_AFTER_US and anomaly.ended_at_us is None:
        return anomaly.but(ended_at_us=anomaly.at_us)
    if status is None or status.state == "failed":
        return anomaly
    if status.state == "ready":
        settled = anomaly.at_us >= status.since_us + SETTLES_US
        return anomaly if settled or anomaly.started_at_us >= status.since_us else None
    if anomaly.started_at_us >= status.since_us:
        return None
    return anomaly
