"""``python -m benchmarks.plan [POOLS] [SECONDS]``: what deciding for many pools costs PLAN.

Every second each pool has a window of its own, with arrivals, ends and gauges that wander, and the
whole thinking of the stage takes a step: reading windows, learning, forecasting, deciding.
"""

import sys
import time
from typing import Final

import numpy as np

from autoscaler.planner import Planner
from autoscaler.settings import ScalingSettings
from model_backend.settings import BackendSettings, PoolSettings
from streams.clock import SECOND_US
from streams.schemas.scaling import PoolStatus
from streams.series import series_id
from streams.stage import Arrival, Tick
from streams.windows.histogram import counted
from streams.windows.table import Ints, Table

START_US: Final = 1_700_000_000 * SECOND_US
SLOTS: Final = 8
SERVED_S: Final = 4.0
JUDGED: Final = 60
"""Of the last so many seconds the cost is told: by then everything that is kept has filled up."""


def main() -> int:
    pools, seconds = (int(text) for text in [*sys.argv[1:], "1000", "400"][:2])
    names = [f"pool-{n:04}" for n in range(pools)]
    made = [
        PoolSettings(name=name, service="chat", model="m", slots=SLOTS, max_replicas=50)
        for name in names
    ]
    planner = Planner(ScalingSettings(ladder="full"), BackendSettings(pools=tuple(made)))
    rng, costs, decided = np.random.default_rng(1), [], 0
    for second in range(seconds):
        end_us = START_US + (second + 1) * SECOND_US
        arrivals = [_arrival("windows", _windows(names, end_us - SECOND_US, second, rng), end_us)]
        if second % 10 == 0:
            arrivals += [_arrival("pools", _status(name, end_us), end_us) for name in names]
        began = time.process_time()
        outcome = planner.step(Tick(now_us=end_us, arrivals=arrivals))
        costs.append(time.process_time() - began)
        decided = len(outcome.out)
    last = np.array(costs[-JUDGED:])
    print(f"{decided:,} decisions a step of {pools:,} pools, after {seconds} s of event time")
    low, median, high = np.quantile(last, (0.0, 0.5, 1.0))
    print(f"CPU s a step: median {median:.3f} ({low:.3f} to {high:.3f})")
    return 0


def _arrival(topic: str, record: PoolStatus | Table, at_us: int) -> Arrival:
    key = f"local/{record.pool}" if isinstance(record, PoolStatus) else ""
    return Arrival(at_us=at_us, id=f"{topic}/{key}", topic=topic, key=key, record=record)


def _status(pool: str, at_us: int) -> PoolStatus:
    return PoolStatus(
        pool=pool, service="chat", model="m", at_us=at_us, desired=10, ready=10,
        slots_per_replica=SLOTS, start_delay_s=60.0,
    )  # fmt: skip


def _windows(names: list[str], window_us: int, second: int, rng: np.random.Generator) -> Table:
    """One row a pool; demand goes up and down within ten minutes, each pool in its own phase."""
    n = len(names)
    labels = [
        {"cluster": "local", "pool": name, "model": "m", "route": "chat", "tenant": "t"}
        for name in names
    ]
    series = np.array([series_id("request", one) for one in labels])
    phase = np.linspace(0, 2 * np.pi, n)
    busy = 40 + 30 * np.sin(second / 95 + phase)
    arrived, ended = rng.poisson(busy / SERVED_S), rng.poisson(busy / SERVED_S)
    ints: dict[str, Ints] = {"arrived": arrived, "finished": ended, "output_tokens": 100 * ended}
    took_us = (rng.gamma(16, SERVED_S / 16, int(ended.sum())) * 1e6).astype(np.int64)
    row = np.repeat(np.arange(n), ended)
    for name, values in (("duration_s", took_us), ("queue_s", np.zeros_like(took_us))):
        ints |= _moments(name, row, values, n)
    held = (rng.poisson(busy) * 1_000_000).astype(np.int64)
    ints |= _moments("in_flight", np.arange(n), held, n)
    ints |= _moments("queued", np.arange(n), np.zeros_like(held), n)
    order = np.argsort(series)
    sparse = {"duration_s": counted(np.argsort(order)[row], took_us)}
    columns = {name: column[order] for name, column in ints.items()}
    of = dict(zip(series.tolist(), labels, strict=True))
    return Table("request", np.full(n, window_us), series[order], columns, sparse, of)


def _moments(name: str, row: Ints, values: Ints, rows: int) -> dict[str, Ints]:
    low, high = np.full(rows, np.iinfo(np.int64).max), np.full(rows, np.iinfo(np.int64).min)
    np.minimum.at(low, row, values)
    np.maximum.at(high, row, values)
    total = np.bincount(row, values, rows).astype(np.int64)
    count = np.bincount(row, minlength=rows).astype(np.int64)
    return {f"{name}.n": count, f"{name}.sum": total, f"{name}.min": low, f"{name}.max": high}


if __name__ == "__main__":
    sys.exit(main())
