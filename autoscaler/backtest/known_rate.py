"""The policy of somebody who knows how much will be asked for on average, but no single arrival."""

from typing import Final

import numpy as np

from autoscaler.backtest.policy import Floats, Seen, Shape
from autoscaler.backtest.trace import Trace
from autoscaler.forecasters.even_scale import demand_at, even
from autoscaler.highest import Highest
from autoscaler.need import patience
from autoscaler.plan import whole

MARGINS: Final = (4.0, 3.0, 2.0, 1.5, 1.0, 0.5, 0.0, -0.5)
"""In spreads of demand, as they are on the even scale."""
AROUND_S: Final = 600
HELD_S: Final = 10


def mean_loads(trace: Trace) -> Floats:
    """Slots in use if nobody waited, as the mean of the ten minutes around each second."""
    ends = np.sort(trace.arrival_s + trace.service_s)
    whole_s = np.arange(trace.seconds)
    held = np.searchsorted(trace.arrival_s, whole_s) - np.searchsorted(ends, whole_s)
    total = np.concatenate([[0.0], np.cumsum(held, dtype=float)])
    since = np.maximum(0, whole_s - AROUND_S // 2)
    until = np.minimum(trace.seconds, whole_s + AROUND_S // 2)
    loads: Floats = (total[until] - total[since]) / (until - since)
    return loads


class KnownRate:
    """``replicas = ceil(highest mean load until one ordered now is ready, and a margin)``.

    Never less than what is held and waits; the margin is what single arrivals, that nobody can
    foresee, call for (square-root staffing), the best chosen afterwards. What it misses and pays
    at that, a forecast of the rate could at most save.
    """

    def __init__(self, shape: Shape, loads: Floats, margin: float) -> None:
        ahead = int(shape.cold_start_s) + shape.tick_s
        padded = np.pad(loads, (0, ahead), mode="edge")
        self._highest = np.lib.stride_tricks.sliding_window_view(padded, ahead + 1).max(axis=1)
        self._margin = margin
        self._lately = Highest(max(60, round(shape.cold_start_s)))

    def decide(self, seen: Seen) -> int:
        shape, seconds = seen.shape, seen.seconds
        held = seen.mean(seconds.in_flight, HELD_S) + seen.mean(seconds.queued, HELD_S)
        finished = seconds.finished[max(0, seen.until_s - AROUND_S) : seen.until_s].sum()
        served_s = seconds.served_s[max(0, seen.until_s - AROUND_S) : seen.until_s].sum()
        room = patience(served_s / finished, shape.slo_queue_s) if finished else 1.0
        present = whole(held / room / shape.slots)
        level = even(float(self._highest[seen.now_s])) + self._margin
        known = whole(demand_at(level) / shape.slots)
        return max(1, known, int(self._lately.see(seen.now_s, present)))
