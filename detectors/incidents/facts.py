"""Final windows in, what is usual for a pool and what is now out: the numbers behind a cause."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import median
from typing import Final

import msgspec

from streams.clock import SECOND_US
from streams.schemas.base import Record
from streams.windows.table import Table

NOW_HALF_LIFE_S: Final = 4.0
PAST_HALF_LIFE_S: Final = 60.0
MAX_TENANTS: Final = 64
"""Per pool; the one that sends least is forgotten when another comes."""
MAX_REPLICAS: Final = 256
"""Per pool; the one not heard of for longest is forgotten."""
FLOODING_RATIO: Final = 0.5
"""A client of whose requests this share is refused counts as flooding, not as demand."""
FULL_RATIO: Final = 0.9
"""Share of a KV cache from which on a replica is late for it."""
THROWN_BACK_PER_S: Final = 0.02
"""One request within the last twelve seconds."""
_MICRO: Final = 1_000_000
"""Fixed-point scale of seconds and gauges in the feature catalogue."""


class Pace(Record, frozen=True, kw_only=True):
    """One number as it is now and as it used to be: two exponentially weighted means."""

    now: float = 0.0
    past: float = 0.0
    seen: int = 0
    at_us: int = 0

    @property
    def lately(self) -> float:
        """Of a rate per second: about how many there were within the last minute."""
        return max(self.now * NOW_HALF_LIFE_S, self.past * PAST_HALF_LIFE_S) / math.log(2)


class TenantFacts(Record, frozen=True, kw_only=True):
    """Requests per second of one client."""

    arrived: Pace = Pace()
    refused: Pace = Pace()
    failed: Pace = Pace()
    cancelled: Pace = Pace()

    @property
    def refused_ratio(self) -> float:
        """Share of its requests that is refused; refusals may or may not count as arrivals."""
        offered = max(self.arrived.now, self.refused.now)
        return self.refused.now / offered if offered > 0 else 0.0


class ReplicaFacts(Record, frozen=True, kw_only=True):
    """How fast one replica answers, and whether there is room for what it was given."""

    inter_token_s: Pace = Pace()
    ttft_s: Pace = Pace()
    kv_use_ratio: Pace = Pace()
    preempted: Pace = Pace()
    """Requests a second that it throws back for want of KV cache."""
    at_us: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it is late for its KV cache: full, or just thrown back what did not fit."""
        return self.kv_use_ratio.now >= FULL_RATIO or self.preempted.now >= THROWN_BACK_PER_S


class PoolFacts(Record, frozen=True, kw_only=True):
    """The paces of one pool; a value, so that a step can be repeated from its stored state."""

    tenants: dict[str, TenantFacts] = msgspec.field(default_factory=dict)
    replicas: dict[str, ReplicaFacts] = msgspec.field(default_factory=dict)
    queue_s: Pace = Pace()
    queued: Pace = Pace()
    at_us: int = 0

    @property
    def valid_now(self) -> float:
        """Requests per second, without what is refused of clients that send mostly refuse."""
        return sum(_valid(t.arrived.now, t.refused.now, t) for t in self.tenants.values())

    @property
    def valid_past(self) -> float:
        return sum(_valid(t.arrived.past, t.refused.past, t) for t in self.tenants.values())

    @property
    def refused_now(self) -> float:
        return sum(t.refused.now for t in self.tenants.values())

    def is_full(self, replica: str) -> bool:
        return replica in self.replicas and self.replicas[replica].is_full

    def pace_of(self, replica: str, feature: str) -> Pace | None:
        """The replica's own ``inter_token_s`` or ``ttft_s``; None for a stranger."""
        facts = self.replicas.get(replica)
        return _pace(facts, feature) if facts else None

    def fellows_of(self, replica: str, feature: str) -> float | None:
        """The fellows' median of ``inter_token_s`` or ``ttft_s``; None without fellows."""
        fellows = [
            pace.now
            for name, facts in self.replicas.items()
            if name != replica and (pace := _pace(facts, feature)).seen and pace.now > 0
        ]
        return median(fellows) if fellows else None


def _valid(arrived: float, refused: float, tenant: TenantFacts) -> float:
    return max(arrived - refused, 0.0) if tenant.refused_ratio >= FLOODING_RATIO else arrived


def _pace(facts: ReplicaFacts, feature: str) -> Pace:
    return facts.inter_token_s if feature == "inter_token_s" else facts.ttft_s


def paced(pace: Pace, value: float, at_us: int) -> Pace:
    """``mean += gain * (value - mean)``, gain by the seconds since the last value."""
    elapsed_s = max(at_us - pace.at_us, SECOND_US) / SECOND_US if pace.seen else 1.0
    # The first gains are 1, 1/2, 1/3...: otherwise the means start out stuck near zero.
    first = 1 / (pace.seen + 1)
    now_gain = max(1 - 0.5 ** (elapsed_s / NOW_HALF_LIFE_S), first)
    past_gain = max(1 - 0.5 ** (elapsed_s / PAST_HALF_LIFE_S), first)
    return Pace(
        now=pace.now + now_gain * (value - pace.now),
        past=pace.past + past_gain * (value - pace.past),
        seen=pace.seen + 1,
        at_us=at_us,
    )


PoolKey = tuple[str, str]
"""(cluster, pool)"""
_Columns = dict[str, float]


def learn(facts: Mapping[PoolKey, PoolFacts], tables: Sequence[Table]) -> dict[PoolKey, PoolFacts]:
    """The facts of the pools that these final windows speak of.

    Together must come what is of the same windows: a second of requests is learned once.
    """
    requests = _learn_requests(facts, [table for table in tables if table.kind == "request"])
    engines = [table for table in tables if table.kind == "engine"]
    return requests | _learn_engines({**facts, **requests}, engines)


def _learn_requests(
    facts: Mapping[PoolKey, PoolFacts], tables: Sequence[Table]
) -> dict[PoolKey, PoolFacts]:
    seconds: dict[tuple[int, PoolKey], dict[str, _Columns]] = defaultdict(dict)
    names = ("arrived", "rejected", "failed", "cancelled")
    gauges = ("queue_s.sum", "queue_s.n", "queued.sum", "queued.n")
    for at_us, labels, row in _rows(tables, (*names, *gauges)):
        tenants = seconds[at_us, _pool_key(labels)]
        columns = tenants.setdefault(labels.get("tenant", ""), defaultdict(float))
        for name, value in row.items():
            columns[name] += value
    learned: dict[PoolKey, PoolFacts] = {}
    for (at_us, key), tenants in sorted(seconds.items()):
        before = learned.get(key) or facts.get(key) or PoolFacts()
        if at_us > before.at_us:
            learned[key] = _second_of_requests(before, at_us, tenants)
    return learned


def _second_of_requests(
    facts: PoolFacts, at_us: int, rows: Mapping[str, Mapping[str, float]]
) -> PoolFacts:
    def total(column: str) -> float:
        return sum(row.get(column, 0.0) for row in rows.values())

    # A client without a row sent nothing: that is a zero, not a gap.
    tenants = {
        name: _tenant_second(facts.tenants.get(name, TenantFacts()), at_us, rows.get(name, {}))
        for name in facts.tenants.keys() | rows.keys()
    }
    return facts.but(
        at_us=at_us,
        tenants=_busiest(tenants),
        queue_s=_mean_of(facts.queue_s, total("queue_s.sum"), total("queue_s.n"), at_us),
        queued=_mean_of(facts.queued, total("queued.sum"), total("queued.n"), at_us),
    )


def _tenant_second(facts: TenantFacts, at_us: int, row: Mapping[str, float]) -> TenantFacts:
    return TenantFacts(
        arrived=paced(facts.arrived, row.get("arrived", 0.0), at_us),
        refused=paced(facts.refused, row.get("rejected", 0.0), at_us),
        failed=paced(facts.failed, row.get("failed", 0.0), at_us),
        cancelled=paced(facts.cancelled, row.get("cancelled", 0.0), at_us),
    )


def _busiest(tenants: Mapping[str, TenantFacts]) -> dict[str, TenantFacts]:
    def quiet(item: tuple[str, TenantFacts]) -> tuple[float, str]:
        return -max(item[1].arrived.past, item[1].refused.past, item[1].arrived.now), item[0]

    return dict(sorted(sorted(tenants.items(), key=quiet)[:MAX_TENANTS]))


def _learn_engines(
    facts: Mapping[PoolKey, PoolFacts], tables: Sequence[Table]
) -> dict[PoolKey, PoolFacts]:
    learned: dict[PoolKey, dict[str, ReplicaFacts]] = {}
    for at_us, labels, row in _rows(tables, _OF_REPLICAS):
        key, name = _pool_key(labels), labels.get("replica", "")
        known = facts.get(key, PoolFacts()).replicas
        replica = learned.get(key, known).get(name, ReplicaFacts())
        if at_us > replica.at_us:
            learned.setdefault(key, dict(known))[name] = _replica_second(replica, at_us, row)
    return {
        key: facts.get(key, PoolFacts()).but(replicas=_newest(replicas))
        for key, replicas in learned.items()
    }


_MEANS: Final = ("inter_token_s", "ttft_s", "kv_use_ratio")
_OF_REPLICAS: Final = (
    *(f"{name}.{part}" for name in _MEANS for part in ("sum", "n")),
    "preemptions",
)


def _replica_second(replica: ReplicaFacts, at_us: int, row: _Columns) -> ReplicaFacts:
    paces = {
        name: _mean_of(getattr(replica, name), row[f"{name}.sum"], row[f"{name}.n"], at_us)
        for name in _MEANS
    }
    preempted = paced(replica.preempted, row["preemptions"], at_us)
    return ReplicaFacts(at_us=at_us, preempted=preempted, **paces)


def _newest(replicas: Mapping[str, ReplicaFacts]) -> dict[str, ReplicaFacts]:
    """Replicas heard of in the last half minute: one that is gone must not count as a fellow."""
    now_us = max(replica.at_us for replica in replicas.values())
    recent = {n: r for n, r in replicas.items() if now_us - r.at_us <= 30 * SECOND_US}
    newest = sorted(recent.items(), key=lambda item: (-item[1].at_us, item[0]))
    return dict(sorted(newest[:MAX_REPLICAS]))


def _mean_of(pace: Pace, total: float, count: float, at_us: int) -> Pace:
    return paced(pace, total / count / _MICRO, at_us) if count else pace


def _pool_key(labels: Mapping[str, str]) -> PoolKey:
    return labels.get("cluster", ""), labels.get("pool", "")


def _rows(
    tables: Sequence[Table], names: Collection[str]
) -> Iterator[tuple[int, Mapping[str, str], _Columns]]:
    """Each row's window, labels and the named columns; a column that is missing is zero.

    A row that comes twice counts once.
    """
    rows: dict[tuple[int, int], tuple[int, Mapping[str, str], _Columns]] = {}
    for table in tables:
        columns = {name: table.ints[name].tolist() for name in names if name in table.ints}
        absent = {name: 0.0 for name in names if name not in table.ints}
        places = zip(table.window_us.tolist(), table.series.tolist(), strict=True)
        for row, (at_us, series) in enumerate(places):
            values = {name: float(column[row]) for name, column in columns.items()}
            rows[at_us, series] = at_us, table.labels.get(series, {}), absent | values
    return iter(rows.values())
