"""A pool that serves simulated requests with the planner in its loop: late windows, slow starts."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from autoscaler.planner import Planner
from autoscaler.settings import ScalingSettings
from model_backend.settings import BackendSettings, PoolSettings
from streams.clock import SECOND_US
from streams.schemas.scaling import Decision, PoolStatus
from streams.series import series_id
from streams.stage import Arrival, Outcome, Tick
from streams.windows.features import FEATURES, Merge
from streams.windows.histogram import counted
from streams.windows.rows import INT64_MAX, INT64_MIN
from streams.windows.table import Floats, Ints, Table

START_US = 1_700_000_000 * SECOND_US
LATE_S = 3
"""Windows come so long after their end, as they do in the running system."""
TENTHS = 10
COUNTED = ("arrived", "failed", "rejected", "shed", "cancelled")

ACTING = ScalingSettings(ladder="full", dry_run=False, scale_down_after_s=25)
CODEX = PoolSettings(
    name="codex",
    service="codex",
    model="m",
    max_replicas=3,
    slots=4,
    start_delay_s=8,
)


def at(second: float) -> int:
    return START_US + round(second * SECOND_US)


def requests_table(
    second: int,
    pool: str = "codex",
    *,
    tenant: str = "acme",
    ended: Sequence[tuple[float, float]] = (),
    first_s: Sequence[float] = (),
    **counts: float,
) -> Table:
    """One window of one tenant; ``ended``: (waited, served) seconds of each request that ended.

    first_s: seconds from the start of serving to the first token, of each.

    counts: ``COUNTED``, `tokens` and `prompt_tokens`; `queued` and `in_flight`, else no gauges.
    """
    labels = {"cluster": "local", "pool": pool, "model": "m", "route": "chat", "tenant": tenant}
    series = series_id("request", labels)
    spans = {
        "queue_s": np.array([round(w * 1e6) for w, _ in ended], np.int64),
        "duration_s": np.array([round((w + s) * 1e6) for w, s in ended], np.int64),
    }
    if first_s:
        firsts = [w + f for (w, _), f in zip(ended, first_s, strict=True)]
        spans["ttft_s"] = np.array([round(s * 1e6) for s in firsts], np.int64)
    ints = {name: int(counts.get(name, 0)) for name in COUNTED}
    ints["finished"] = len(ended)
    ints["output_tokens"] = int(counts.get("tokens", 0))
    ints["prompt_tokens"] = int(counts.get("prompt_tokens", 0))
    for name in ("queued", "in_flight"):
        gauged = [round(counts[name] * 1e6)] if name in counts else []
        ints |= _moments(name, np.array(gauged, np.int64))
    for name, values in spans.items():
        ints |= _moments(name, values)
    return Table(
        "request",
        np.array([at(second)]),
        np.array([series]),
        {name: np.array([value], np.int64) for name, value in ints.items()},
        {name: counted(np.zeros(v.size, np.int64), v) for name, v in spans.items()},
        {series: labels},
    )


def engines_table(
    second: int, replica: str = "codex-1", pool: str = "codex", **values: float
) -> Table:
    """One window of one replica; what is not given, its engine does not tell."""
    labels = {"cluster": "local", "pool": pool, "replica": replica}
    series = series_id("engine", labels)
    ints: dict[str, int] = {}
    for feature in FEATURES["engine"]:
        given = [round(values[feature.name] * feature.scale)] if feature.name in values else []
        if feature.merge is Merge.SUM:
            ints[feature.name] = sum(given)
        else:
            ints |= _moments(feature.name, np.array(given, np.int64))
    return Table(
        "engine",
        np.array([at(second)]),
        np.array([series]),
        {name: np.array([value], np.int64) for name, value in ints.items()},
        labels={series: labels},
    )


def _moments(name: str, values: Ints) -> dict[str, int]:
    return {
        f"{name}.n": values.size,
        f"{name}.sum": int(values.sum()),
        f"{name}.min": int(values.min(initial=INT64_MAX)),
        f"{name}.max": int(values.max(initial=INT64_MIN)),
    }


def pool_status(second: float, **but: object) -> PoolStatus:
    """`codex` as its driver sees it: one replica of four slots, ready."""
    usual: dict[str, object] = {
        "pool": "codex",
        "service": "codex",
        "model": "m",
        "at_us": at(second),
        "desired": 1,
        "ready": 1,
        "slots_per_replica": 4,
        "start_delay_s": 8.0,
    }
    return PoolStatus(**(usual | but))  # type: ignore[arg-type]  # each case says what differs


def decisions_of(outcome: Outcome) -> list[Decision]:
    return [out.value for out in outcome.out if isinstance(out.value, Decision)]


def poisson(
    rng: np.random.Generator, rates: Floats, work: Callable[[], float]
) -> Iterator[list[float]]:
    """Per second, the seconds of work of each request that arrives, at these rates per second."""
    for count in rng.poisson(rates).tolist():
        yield [work() for _ in range(count)]


@dataclass(slots=True)
class _Request:
    arrived_s: float
    left_s: float
    tokens: int
    started_s: float = 0.0


@dataclass(slots=True)
class _Replica:
    ready_at: int
    held: list[_Request] = field(default_factory=list)


@dataclass
class World:
    """Requests share a replica's speed, as tokens per second are shared by the slots of an engine.

    paced: each slot has its own even share of the speed, whether the others are in use or not.
    After ``run``: ``decisions``, ``ready`` replicas by second, ``arrived`` requests.
    """

    pool: PoolSettings = CODEX
    scaling: ScalingSettings = ACTING
    paced: bool = False

    def __post_init__(self) -> None:
        self.decisions: list[Decision] = []
        self.ready: list[int] = []
        self.arrived = 0
        self._planner = Planner(self.scaling, BackendSettings(pools=(self.pool,)))
        self._target = self.pool.initial_replicas
        self._replicas = [_Replica(0) for _ in range(self._target)]
        self._leaving: list[_Replica] = []
        self._queue: deque[_Request] = deque()

    def run(self, arrivals: Iterator[list[float]]) -> "World":
        """``arrivals``: per second, the work of each new request in seconds on its own."""
        windows: deque[Table] = deque()
        for second, works in enumerate(arrivals):
            self._queue.extend(_Request(second, work, round(12 * work)) for work in works)
            self.arrived += len(works)
            ended, tokens = self._serve(second)
            held = sum(len(one.held) for one in (*self._replicas, *self._leaving))
            windows.append(
                requests_table(
                    second,
                    self.pool.name,
                    ended=ended,
                    arrived=len(works),
                    tokens=tokens,
                    queued=len(self._queue),
                    in_flight=held,
                )
            )
            self.ready.append(sum(one.ready_at <= second for one in self._replicas))
            if len(windows) > LATE_S:
                self._plan(second, windows.popleft())
        return self

    @property
    def missed(self) -> int:
        return sum(decision.missed for decision in self.decisions)

    @property
    def reversals(self) -> int:
        """How often the wanted size changed its direction."""
        sizes = [decision.desired for decision in self.decisions]
        steps = [b - a for a, b in pairwise(sizes) if a != b]
        return sum(a * b < 0 for a, b in pairwise(steps))

    def _plan(self, second: int, window: Table) -> None:
        now_us = at(second - LATE_S + 1)
        ready = self.ready[-1]
        status = pool_status(
            second,
            pool=self.pool.name,
            desired=self._target,
            ready=ready,
            starting=len(self._replicas) - ready,
            slots_per_replica=self.pool.slots,
            start_delay_s=self.pool.start_delay_s,
        )
        key = f"local/{self.pool.name}"
        arrivals = [
            Arrival(at_us=now_us, id="pool", topic="pools", key=key, record=status),
            Arrival(at_us=now_us, id="windows", topic="windows", record=window),
        ]
        outcome = self._planner.step(Tick(now_us=now_us, arrivals=arrivals))
        for decision in decisions_of(outcome):
            self.decisions.append(decision)
            self._target = decision.desired
            self._scale(second)

    def _scale(self, second: int) -> None:
        while len(self._replicas) < self._target:
            self._replicas.append(_Replica(second + 1 + round(self.pool.start_delay_s)))
        while len(self._replicas) > self._target:
            youngest = max(self._replicas, key=lambda one: one.ready_at)
            self._replicas.remove(youngest)
            self._leaving.append(youngest)

    def _serve(self, second: int) -> tuple[list[tuple[float, float]], int]:
        """A second in tenths; (waited, served) of what ended, and its tokens."""
        ended, tokens = [], 0
        ready = [one for one in self._replicas if one.ready_at <= second]
        for tenth in range(TENTHS):
            now_s = second + tenth / TENTHS
            for replica in (*ready, *self._leaving):
                sharing = self.pool.slots if self.paced else max(1, len(replica.held))
                share_s = 1 / TENTHS / sharing
                for request in replica.held:
                    request.left_s -= share_s
                done = [one for one in replica.held if one.left_s <= 0]
                replica.held = [one for one in replica.held if one.left_s > 0]
                tokens += sum(one.tokens for one in done)
                ended += [(one.started_s - one.arrived_s, now_s - one.started_s) for one in done]
            while self._queue and ready:
                emptiest = min(ready, key=lambda one: len(one.held))
                if len(emptiest.held) >= self.pool.slots:
                    break
                request = self._queue.popleft()
                request.started_s = now_s
                emptiest.held.append(request)
        self._leaving = [one for one in self._leaving if one.held]
        return ended, tokens
