"""Final windows of requests in, a pool's seconds out: what was asked of it and what it held."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

import numpy as np
import numpy.typing as npt

from streams.clock import SECOND_US
from streams.windows.features import FEATURES
from streams.windows.histogram import bucket_of
from streams.windows.table import Ints, Table

PoolKey = tuple[str, str]
"""(cluster, pool)"""

REMEMBERED_S: Final = 180
MAX_TENANTS: Final = 1_000
"""Per pool and second; the arrivals of further tenants count under no name."""
MAX_CLASSES: Final = 100
"""Per pool and second, of requests by model and route; those of further ones count as one."""
GLIMPSE_S: Final = 10.0
HELD_S: Final = 10.0
"""A wave of seconds is over before a replica that was ordered for it is ready."""
SURGES: Final = ((1.0, 4.0), (2.0, 2.0))
"""Unless so few seconds hold so many times as much: a surge (Knative's panic window)."""
MIN_SPAN_S: Final = 5.0
MAX_SPAN_S: Final = 60.0

_SCALE: Final = {feature.name: feature.scale for feature in FEATURES["request"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """What a pool's requests are owed, and under which pool they are counted."""

    queue_s: float = 1.0
    ttft_s: float = 0.0
    """0: the wait alone counts."""
    inter_token_s: float = 0.0
    """0: no matter how long."""
    counted_at: PoolKey


@dataclass(slots=True)
class ClassSecond:
    """Requests of one class in one window: those that are alike in how much they ask for."""

    arrived: int = 0
    prompt_tokens: int = 0
    """Of those that arrived."""
    ended: int = 0
    output_tokens: int = 0
    """Of those that ended."""


@dataclass(slots=True)
class PoolSecond:
    """One pool in one window of a second, all its series summed up."""

    window_us: int
    arrived: int = 0
    """Valid requests within their limits; retries are not counted again."""
    finished: int = 0
    failed: int = 0
    rejected: int = 0
    shed: int = 0
    """Of those rejected, the ones for which there was no room."""
    cancelled: int = 0
    late: int = 0
    """Requests whose wait for a replica, told in this second, was longer than the SLO."""
    late_first: int = 0
    """Those whose first token came later than that, or as the wait where nothing is said of it."""
    late_token: int = 0
    """Those whose further tokens did."""
    queued: float = 0.0
    in_flight: float = 0.0
    gauged: bool = False
    """The pool's gauges were there: what it holds is known."""
    served_n: int = 0
    """Requests that ended with known waiting and serving times,"""
    served_s: float = 0.0
    """and how long replicas had them, together,"""
    first_s: float = 0.0
    """of that, until their first token,"""
    served_tokens: int = 0
    """and their output tokens; 0 where work is not told in tokens."""
    ready: int = 0
    """Replicas that were ready, filled in by whoever knows."""
    arrived_of: dict[str, int] = field(default_factory=dict)
    """Tenant -> arrivals."""
    classes: dict[tuple[str, str], ClassSecond] = field(default_factory=dict)
    """(model, route) -> its requests and their tokens."""

    @property
    def missed(self) -> int:
        """Requests that waited too long, failed, were shed or given up by their clients."""
        return self.late + self.failed + self.shed + self.cancelled


def pool_seconds(
    table: Table, slos: Mapping[PoolKey, Slo]
) -> Mapping[PoolKey, Sequence[PoolSecond]]:
    """The rows of the pools in ``slos``, summed up per pool and window, oldest first."""
    seconds: dict[PoolKey, dict[int, PoolSecond]] = {}
    owed = [_slo_of(table, series, slos) for series in table.series.tolist()]
    late = _over(table, "queue_s", [slo.queue_s for slo in owed])
    late_first = _over(table, "ttft_s", [slo.ttft_s for slo in owed])
    late_token = _over(table, "inter_token_s", [slo.inter_token_s for slo in owed])
    columns = {name: column.tolist() for name, column in table.ints.items()}
    for row, (window_us, series) in enumerate(
        zip(table.window_us.tolist(), table.series.tolist(), strict=True)
    ):
        labels = table.labels.get(series, {})
        pool = (labels.get("cluster", ""), labels.get("pool", ""))
        if pool not in slos:
            continue
        of_pool = seconds.setdefault(owed[row].counted_at, {})
        second = of_pool.setdefault(window_us, PoolSecond(window_us))
        values = {name: column[row] for name, column in columns.items()}
        _add(second, values)
        _add_class(second, (labels.get("model", ""), labels.get("route", "")), values)
        second.late += int(late[row])
        second.late_first += int((late_first if owed[row].ttft_s else late)[row])
        second.late_token += int(late_token[row])
        _count_tenant(second, labels.get("tenant", ""), columns["arrived"][row])
    return {pool: [rows[at] for at in sorted(rows)] for pool, rows in seconds.items()}


def _add(second: PoolSecond, row: Mapping[str, int]) -> None:
    second.arrived += row.get("arrived", 0)
    second.finished += row.get("finished", 0)
    second.failed += row.get("failed", 0)
    second.rejected += row.get("rejected", 0)
    second.shed += row.get("shed", 0)
    second.cancelled += row.get("cancelled", 0)
    if row.get("in_flight.n", 0):
        second.gauged = True
        # Each gateway tells its own share, so the means of its series add up.
        second.queued += _mean(row, "queued")
        second.in_flight += _mean(row, "in_flight")
    if row.get("queue_s.n", 0) and row.get("finished", 0):
        n = min(row["queue_s.n"], row.get("duration_s.n", 0))
        second.served_n += n
        second.served_tokens += row.get("output_tokens", 0)
        second.served_s += n * max(0.0, _mean(row, "duration_s") - _mean(row, "queue_s"))
        second.first_s += n * max(0.0, _mean(row, "ttft_s") - _mean(row, "queue_s"))


def _add_class(second: PoolSecond, name: tuple[str, str], row: Mapping[str, int]) -> None:
    ended = sum(row.get(kind, 0) for kind in ("finished", "failed", "cancelled"))
    arrived = row.get("arrived", 0)
    if not (arrived or ended):
        return
    if len(second.classes) >= MAX_CLASSES and name not in second.classes:
        name = ("", "")
    one = second.classes.setdefault(name, ClassSecond())
    one.arrived += arrived
    one.prompt_tokens += row.get("prompt_tokens", 0)
    one.ended += ended
    one.output_tokens += row.get("output_tokens", 0)


def _mean(row: Mapping[str, int], feature: str) -> float:
    n = row.get(f"{feature}.n", 0)
    return row[f"{feature}.sum"] / n / _SCALE[feature] if n else 0.0


def _count_tenant(second: PoolSecond, tenant: str, arrived: int) -> None:
    if arrived and (tenant in second.arrived_of or len(second.arrived_of) < MAX_TENANTS):
        second.arrived_of[tenant] = second.arrived_of.get(tenant, 0) + arrived


def _over(table: Table, feature: str, limits_s: Sequence[float]) -> Ints:
    """Per row, how many values are over the row's limit (within 1 %); none where that is 0."""
    counts = np.zeros(len(table), np.int64)
    histogram = table.sparse.get(feature)
    if histogram is None or not histogram.row.size or not any(limits_s):
        return counts
    limits = np.array(limits_s)
    edges = bucket_of((limits * _SCALE[feature]).astype(np.int64))
    edges[limits <= 0] = np.iinfo(np.int64).max
    over: npt.NDArray[np.bool_] = histogram.bucket > edges[histogram.row]
    np.add.at(counts, histogram.row[over], histogram.count[over])
    return counts


def _slo_of(table: Table, series: int, slos: Mapping[PoolKey, Slo]) -> Slo:
    labels = table.labels.get(series, {})
    pool = labels.get("cluster", ""), labels.get("pool", "")
    return slos.get(pool) or Slo(counted_at=pool)


class DemandMeter:
    """The last three minutes of one pool, and its offered work in slots.

    By Little's law, work offered is arrivals per second times the seconds that each holds a slot.
    Arrivals are counted over about one such time: those are the requests that would be in flight if
    none had to wait. What does have to wait is the backlog and is counted apart.
    """

    def __init__(self) -> None:
        self._seconds: deque[PoolSecond] = deque(maxlen=REMEMBERED_S)

    def add(self, seconds: Iterable[PoolSecond]) -> Sequence[PoolSecond]:
        """Take in what is newer than all before; gives back what was taken."""
        taken = []
        for second in seconds:
            if self._seconds and second.window_us <= self._seconds[-1].window_us:
                continue
            self._seconds.append(second)
            taken.append(second)
        return taken

    @property
    def newest_us(self) -> int | None:
        """End of the newest window."""
        return self._seconds[-1].window_us + SECOND_US if self._seconds else None

    def last(self, seconds: float) -> Sequence[PoolSecond]:
        """The windows of the last so many seconds before the newest window's end."""
        if not self._seconds:
            return ()
        since_us = self._seconds[-1].window_us + SECOND_US - round(seconds * SECOND_US)
        newest_first = takewhile(lambda one: one.window_us >= since_us, reversed(self._seconds))
        return list(newest_first)[::-1]

    def offered(
        self, service_s: float, over_s: float = 0.0, without: Collection[str] = ()
    ) -> float:
        """Slots that the arrivals of the last ``over_s`` fill, without those of some tenants."""
        span_s = min(max(service_s, over_s, MIN_SPAN_S), MAX_SPAN_S)
        recent = self.last(span_s)
        if not recent:
            return 0.0
        arrived = sum(
            second.arrived - sum(second.arrived_of.get(tenant, 0) for tenant in without)
            for second in recent
        )
        return arrived / span_s * service_s

    def held(self) -> tuple[float, float]:
        """Requests in flight and queued, mean over the last windows that have gauges."""
        usual = self._held(HELD_S)
        surges = ((self._held(seconds), times) for seconds, times in SURGES)
        return next((now for now, times in surges if sum(now) >= times * sum(usual)), usual)

    def _held(self, over_s: float) -> tuple[float, float]:
        gauged = [second for second in self.last(over_s) if second.gauged]
        if not gauged:
            return 0.0, 0.0
        return (
            sum(second.in_flight for second in gauged) / len(gauged),
            sum(second.queued for second in gauged) / len(gauged),
        )


class Glimpse:
    """What a pool holds by the newest deltas, while the windows they belong to are not final."""

    def __init__(self) -> None:
        self._window_us = 0
        self._held = 0.0

    def see(self, seconds: Iterable[PoolSecond]) -> None:
        for second in seconds:
            if second.gauged and second.window_us >= self._window_us:
                before = self._held if second.window_us == self._window_us else 0.0
                self._window_us = second.window_us
                self._held = max(before, second.in_flight + second.queued)

    def held(self, now_us: int, final_us: int) -> float:
        """In flight and queued; 0 where final windows reach as far, or it is 10 s ago."""
        current = self._window_us >= max(final_us, now_us - round(GLIMPSE_S * SECOND_US))
        return self._held if current else 0.0
