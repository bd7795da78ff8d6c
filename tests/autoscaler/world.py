"""A pool that serves simulated requests, and the planner in its loop: windows 3 s late, a start delay."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autoscaler.planner import Planner
from autoscaler.settings import ScalingSettings
from model_backend.settings import BackendSettings, PoolSettings
from streams.clock import SECOND_US
from streams.schemas.scaling import Decision, PoolStatus
from streams.series import series_id
from streams.stage import Arrival, Outcome, Tick
from streams.windows.histogram import counted
from streams.windows.table import Table

START_US = 1_700_000_000 * SECOND_US
LATE_S = 3


def table_of(
    second: int, pool: str, ended: Sequence[tuple[float, float]], **counts: float
) -> Table:
    """One window of one pool; ``ended``: (waited, served) seconds of each request that ended."""
    labels = {"cluster": "local", "pool": pool, "model": "m", "route": "chat", "tenant": "ann"}
    series = series_id("request", labels)
    micro = {
        "queue_s": np.array([round(w * 1e6) for w, _ in ended], np.int64),
        "duration_s": np.array([round((w + s) * 1e6) for w, s in ended], np.int64),
    }
    ints = {name: int(counts.get(name, 0)) for name in ("arrived", "failed", "rejected")}
    ints["finished"] = len(ended)
    for name in ("queued", "in_flight"):
        if name in counts:
            ints[f"{name}.n"], ints[f"{name}.sum"] = 1, round(counts[name] * 1e6)
        else:
            ints[f"{name}.n"] = ints[f"{name}.sum"] = 0
    for name, values in micro.items():
        ints[f"{name}.n"], ints[f"{name}.sum"] = values.size, int(values.sum())
    return Table(
        "request",
        np.array([START_US + second * SECOND_US]),
        np.array([series]),
        {name: np.array([value], np.int64) for name, value in ints.items()},
        {name: counted(np.zeros(v.size, np.int64), v) for name, v in micro.items()},
        {series: labels},
    )


@dataclass(slots=True)
class _Request:
    arrived_s: float
    left: float
    started_s: float | None = None


@dataclass(slots=True)
class World:
    """``shared``: slots of a replica share its speed (tokens per second), else each has its own.

    work_s: seconds a request takes alone.
    """

    pool: PoolSettings
    scaling: ScalingSettings
    work: Callable[[np.random.Generator], float]
    shared: bool
    seed: int = 0
    replicas: list[tuple[int, list[_Request]]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    ready_at: list[int] = field(default_factory=list)

    def run(self, arrivals_per_s: Sequence[float]) -> "World":
        rng = np.random.default_rng(self.seed)
        pool, name = self.pool, self.pool.name
        planner = Planner(self.scaling, BackendSettings(pools=(pool,)))
        self.replicas = [(0, []) for _ in range(pool.initial_replicas)]
        queue: deque[_Request] = deque()
        late: deque[Table] = deque()
        target, orders = pool.initial_replicas, []
        for second, rate in enumerate(arrivals_per_s):
            arrived = int(rng.poisson(rate))
            queue.extend(_Request(second, self.work(rng)) for _ in range(arrived))
            ended = self._serve(second, queue)
            in_flight = sum(len(held) for since, held in self.replicas)
            late.append(
                table_of(
                    second, name, ended, arrived=arrived, queued=len(queue), in_flight=in_flight
                )
            )
            ready = sum(since <= second for since, _ in self.replicas)
            self.ready_at.append(ready)
            status = PoolStatus(
                pool=name,
                service="codex",
                model="m",
                at_us=START_US + second * SECOND_US,
                desired=target,
                ready=ready,
                starting=len(self.replicas) - ready,
                slots_per_replica=pool.slots,
                start_delay_s=pool.start_delay_s,
            )
            if len(late) <= LATE_S:
                continue
            now_us = START_US + (second - LATE_S + 1) * SECOND_US
            arrivals = [
                Arrival(at_us=now_us, id="p", topic="pools", key=f"local/{name}", record=status),
                Arrival(at_us=now_us, id="w", topic="windows", record=late.popleft()),
            ]
            for decision in decisions_of(planner.step(Tick(now_us=now_us, arrivals=arrivals))):
                self.decisions.append(decision)
                target = decision.desired
                self._scale(target, second)
        return self

    def _scale(self, target: int, second: int) -> None:
        while len(self.replicas) < target:
            self.replicas.append((second + 1 + round(self.pool.start_delay_s), []))
        while len(self.replicas) > target:
            starting = [r for r in self.replicas if r[0] > second]
            gone = starting[-1] if starting else min(self.replicas, key=lambda r: len(r[1]))
            self.replicas.remove(gone)
            if gone[1]:  # drained: its requests are finished outside of the model
                gone[1].clear()

    def _serve(self, second: int, queue: deque[_Request]) -> list[tuple[float, float]]:
        """A second in tenths; what ended as (waited, served)."""
        ended = []
        for tenth in range(10):
            now = second + tenth / 10
            for since, held in self.replicas:
                if since > second:
                    continue
                speed = 0.1 / max(1, len(held)) if self.shared else 0.1
                for request in held:
                    request.left -= speed
                for request in [r for r in held if r.left <= 0]:
                    held.remove(request)
                    assert request.started_s is not None
                    waited = request.started_s - request.arrived_s
                    ended.append((waited, now - request.started_s))
            while queue:
                free = [r for r in self.replicas if r[0] <= second and len(r[1]) < self.pool.slots]
                if not free:
                    break
                request = queue.popleft()
                request.started_s = now
                min(free, key=lambda r: len(r[1]))[1].append(request)
        return ended


def decisions_of(outcome: Outcome) -> list[Decision]:
    return [out.value for out in outcome.out if isinstance(out.value, Decision)]
