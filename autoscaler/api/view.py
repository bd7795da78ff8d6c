"""Messages of the result topics in, what the API and the live page show out. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

import numpy as np

from autoscaler.api.health import Health, assess
from autoscaler.api.intake import STAGES, Intake, PoolKey, Received
from autoscaler.api.series_store import Line
from autoscaler.api.summary import PoolFacts, PoolSummary, summarise
from autoscaler.api.windows_feed import POOL_KIND
from detectors.explain import Why, explain
from streams.clock import SECOND_US
from streams.conduct import Complaint
from streams.schemas.anomalies import Anomaly
from streams.schemas.comparison import Comparison
from streams.schemas.incidents import Alert, Command, Feedback, Incident, Rule
from streams.schemas.scaling import Decision, PoolStatus, ReplicaStatus
from streams.schemas.system import Quality
from streams.schemas.telemetry import Change
from streams.series import series_of
from streams.windows.table import Floats

VIEW_TOPICS: Final = (
    "windows",
    "anomalies",
    "incidents",
    "decisions",
    "alerts",
    "pools",
    "rules",
    "changes",
    "quality",
    "comparisons",
    "commands",
    "feedback",
)
"""What to feed it, from as far back as charts and lists should reach (15 minutes)."""

MEAN_OVER_S: Final = {"arrived_per_s": 10}
"""Values whose newest number is a mean over this many seconds; of the others it is the last."""
SUMMARY_VALUES: Final = (
    "queued_mean",
    "in_flight_mean",
    "arrived_per_s",
    "queue_s_p95",
    "ttft_s_p95",
)


class View:
    """Everything shown to people, read from bounded tables.

    shards: how many shards WATCH has, so that one never heard of counts as waiting.
    stages: which of the stages there are.
    """

    def __init__(self, *, shards: int, stages: Sequence[str] = STAGES) -> None:
        self._in = Intake(shards=shards, stages=stages)
        self.catching_up = False
        """Whoever feeds it has not come to the ends of the topics yet."""

    def feed(self, messages: Iterable[Received]) -> None:
        """Take in messages of any of ``VIEW_TOPICS``, in the order of each partition."""
        self._in.feed(messages)

    @property
    def corrupt(self) -> int:
        """Messages that could not be read and were left out."""
        return self._in.corrupt

    def asked(self, name: str) -> Command | Feedback | None:
        """What was asked of any API under that id, if it came with a key."""
        return self._in.asked.get(name)

    def health(self, now_us: int) -> Health:
        return assess(self._in.newest_us, now_us)

    def pools(self) -> Sequence[PoolSummary]:
        """Every pool, sorted by cluster and name."""
        return [
            self._summary(status)
            for status in sorted(self._in.pools.values(), key=lambda row: (row.cluster, row.pool))
        ]

    def pool(self, cluster: str, pool: str) -> PoolSummary | None:
        status = self._in.pools.get((cluster, pool))
        return self._summary(status) if status else None

    def clusters_of(self, pool: str) -> Sequence[str]:
        """Clusters that have a pool of this name."""
        return sorted(row.cluster for row in self._in.pools.values() if row.pool == pool)

    def replicas(self, cluster: str = "", pool: str = "") -> Sequence[ReplicaStatus]:
        found = [row for row in self._in.replicas.values() if _of(row, cluster, pool)]
        return sorted(found, key=lambda row: (row.cluster, row.pool, row.replica))

    def decisions(
        self, cluster: str = "", pool: str = "", *, limit: int = 100, changed_only: bool = False
    ) -> Sequence[Decision]:
        """Newest first; ``changed_only`` leaves out those that wanted what already was."""
        found = [
            decision
            for history in self._in.decisions.values()
            for decision in history
            if _of(decision, cluster, pool)
            and not (changed_only and decision.desired == decision.current)
        ]
        return sorted(found, key=lambda row: (-row.at_us, row.cluster, row.pool))[:limit]

    def incidents(self, *, state: str = "", pool: str = "", limit: int = 100) -> Sequence[Incident]:
        """Open ones first, then newest first."""
        found = [
            row
            for row in self._in.incidents.values()
            if state in {"", row.state} and pool in {"", row.pool}
        ]
        return sorted(found, key=lambda row: (row.state != "open", -row.opened_at_us))[:limit]

    def incident(self, incident: str) -> Incident | None:
        return self._in.incidents.get(incident)

    def anomalies(
        self, *, open_only: bool = False, pool: str = "", limit: int = 200
    ) -> Sequence[Anomaly]:
        """Newest first."""
        found = [
            row
            for row in self._in.anomalies.values()
            if pool in {"", row.labels.get("pool")} and not (open_only and row.ended_at_us)
        ]
        return sorted(found, key=lambda row: -row.started_at_us)[:limit]

    def anomaly(self, anomaly: str) -> Anomaly | None:
        return self._in.anomalies.get(anomaly)

    def alerts(self, *, limit: int = 100) -> Sequence[Alert]:
        """Newest first."""
        return sorted(self._in.alerts.values(), key=lambda row: -row.at_us)[:limit]

    def changes(self, *, pool: str = "", limit: int = 100) -> Sequence[Change]:
        """Newest first."""
        found = [row for row in self._in.changes.values() if pool in {"", row.pool}]
        return sorted(found, key=lambda row: -row.at_us)[:limit]

    def rules(self, *, cluster: str = "", pool: str = "") -> Sequence[Rule]:
        """Those in force, newest first."""
        found = [r for r in self._in.rules.values() if not r.ended and _of(r, cluster, pool)]
        return sorted(found, key=lambda row: -row.at_us)

    def days(self, cluster: str, pool: str) -> Sequence[Comparison]:
        """With what the planner would have changed, the newest first."""
        found = [row for row in self._in.comparisons.values() if _of(row, cluster, pool)]
        return sorted(found, key=lambda row: (row.day, row.cluster, row.pool), reverse=True)

    def ruled_since(self, pool: PoolKey, since_us: int) -> bool:
        """Whether a rule of the pool was set or ended at ``since_us`` or later."""
        return any(
            (rule.cluster, rule.pool) == pool and rule.at_us >= since_us
            for rule in self._in.rules.values()
        )

    def quality(self) -> Sequence[Quality]:
        """The newest of each source partition."""
        return sorted(self._in.quality.values(), key=lambda row: (row.source, row.partition))

    def complaints(self) -> Sequence[Complaint]:
        """What is wrong with what somebody sends, the worst first.

        Nobody misses a replica that was stopped or put to sleep. ``pools`` soon knows nothing of
        it any more.
        """
        stopped = {
            f"{row.cluster}/{row.pool}/{row.replica}"
            for row in self._in.replica_changes.values()
            if row.kind == "replica_stopped"
        }
        return [
            one
            for one in self._in.conduct.complaints()
            if one.kind != "missing" or one.origin not in stopped
        ]

    def origins(self) -> int:
        """How many senders were heard of in the last minute."""
        return self._in.conduct.heard()

    def series(
        self, kind: str, value: str, where: Mapping[str, str] | None = None, since_us: int = 0
    ) -> Sequence[Line]:
        """Lines of the last 15 minutes; kind ``request``, ``engine``, ``gpu``, or ``pool``."""
        return self._in.store.lines(kind, value, where, since_us)

    def why(self, anomaly: Anomaly, day_before: Floats | None = None) -> Why:
        """What was seen around an anomaly; ``day_before``: its value then, from elsewhere."""
        series = series_of(anomaly.series_id)
        kind = POOL_KIND if anomaly.labels.keys() == {"cluster", "pool"} else anomaly.kind
        group = {name: anomaly.labels.get(name, "") for name in ("cluster", "pool")}
        replicas = self._in.store.pasts(kind, group) if kind == "engine" else {}
        return explain(
            anomaly,
            self._in.store.past(kind, series),
            fellows=[
                past
                for fellow, past in sorted(replicas.items())
                if fellow != series and anomaly.value_name in past.columns
            ],
            disturbed=[
                one
                for one in self._in.anomalies.values()
                if one.series_id == anomaly.series_id and one.id != anomaly.id
            ],
            changes=self._in.changes.values(),
            day_before=day_before,
        )

    def newest(self, cluster: str, pool: str, value: str) -> float | None:
        """A pool's newest number of a value (``arrived_per_s``: mean of ten seconds)."""
        lines = self._in.store.lines(POOL_KIND, value, {"cluster": cluster, "pool": pool})
        if not lines or not lines[0].at_us.size:
            return None
        seconds = MEAN_OVER_S.get(value, 1)
        since_us = int(lines[0].at_us[-1]) - (seconds - 1) * SECOND_US
        numbers = lines[0].values[lines[0].at_us >= since_us]
        seen = numbers[np.isfinite(numbers)]
        return float(seen.mean()) if seen.size else None

    def _summary(self, status: PoolStatus) -> PoolSummary:
        pool = (status.cluster, status.pool)
        history = self._in.decisions.get(pool)
        numbers = {value: self.newest(*pool, value) for value in SUMMARY_VALUES}
        return summarise(
            PoolFacts(
                status=status,
                decision=history[-1] if history else None,
                numbers={name: round(n, 3) for name, n in numbers.items() if n is not None},
                incidents=[
                    row
                    for row in self.incidents(state="open", pool=pool[1])
                    if row.cluster == pool[0]
                ],
                rules=[row for row in self.rules(cluster=pool[0], pool=pool[1]) if row.pool],
                missed=self._in.missed.get(pool, (0, 0)),
                compared=day.sentence if (day := self._in.newest_day.get(pool)) else "",
            )
        )


class _OfPool(Protocol):
    @property
    def cluster(self) -> str: ...
    @property
    def pool(self) -> str: ...


def _of(row: _OfPool, cluster: str, pool: str) -> bool:
    return cluster in {"", row.cluster} and pool in {"", row.pool}
