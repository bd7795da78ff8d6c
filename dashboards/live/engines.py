"""Pools that are only looked at: what their engines say themselves, where no gateway speaks."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from autoscaler.api.series_store import Line
from autoscaler.api.summary import PoolSummary
from autoscaler.api.view import View
from dashboards.live.curves import (
    SHORTEST_SPAN_S,
    SPAN_S,
    STEP_S,
    Curve,
    binned,
    curve,
    edge,
    step_s,
)
from streams.clock import SECOND_US

_LOADS: Final = ("running_mean", "waiting_mean")


def only_looked_at(pool: PoolSummary) -> bool:
    """Nobody drives it: there is nothing to order, and nobody to order it."""
    return not pool.driver


def tokens_per_s(view: View, pools: Sequence[PoolSummary]) -> float | None:
    """Of all engines together; None where a gateway says what users get."""
    if not pools or not all(only_looked_at(pool) for pool in pools):
        return None
    return sum(_newest(line) for line in view.series("engine", "output_tokens_per_s"))


def _newest(line: Line) -> float:
    seen = line.values[-10:][np.isfinite(line.values[-10:])]
    return float(seen.mean()) if seen.size else 0.0


def reach_s(view: View, where: dict[str, str], now_us: int) -> int:
    """How far back charts reach: not further than what was seen."""
    lines = view.series("engine", _LOADS[0], where)
    oldest_us = min((int(line.at_us[0]) for line in lines if line.at_us.size), default=now_us)
    minutes = -(-(now_us - oldest_us) // (60 * SECOND_US))
    return min(max(60 * minutes, SHORTEST_SPAN_S), SPAN_S)


def load_chart(view: View, where: dict[str, str], now_us: int, span_s: int) -> dict[str, Any]:
    """Requests running and waiting in all engines of a pool together."""
    lines = {name: view.series("engine", name, where) for name in _LOADS}
    step = max([STEP_S, *(step_s(line, STEP_S) for each in lines.values() for line in each)])
    edge_us = edge(now_us, step)
    running, waiting = (_total(lines[name], edge_us, span_s, step) for name in _LOADS)
    return {
        "kind": "load",
        "from": (edge_us - running[1] * step * SECOND_US) // 1_000,
        "step": step * 1_000,
        "now": now_us // 1_000,
        "running": running[0],
        "waiting": waiting[0],
    }


def _total(lines: Sequence[Line], edge_us: int, span_s: int, step: int) -> tuple[Curve, int]:
    """The sum where anyone was seen, and of how many steps."""
    steps = span_s // step
    rows = [binned(line, edge_us, span_s=steps * step, step_s=step) for line in lines]
    grid = np.vstack([np.full(steps, np.nan), *rows])
    seen = np.isfinite(grid).any(axis=0)
    return curve(np.where(seen, np.nansum(grid, axis=0), np.nan)), steps
