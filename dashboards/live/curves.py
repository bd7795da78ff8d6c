"""What the view holds of a pool in, the few numbers a chart needs out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoscaler.api.series_store import Line
from autoscaler.api.view import View
from dashboards.live.wording import feature
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.scaling import Decision
from streams.windows.features import find_value

Floats = npt.NDArray[np.float64]
Curve = list[float | None]
Json = dict[str, Any]

SPAN_S: Final = 600
SHORTEST_SPAN_S: Final = 180
STEP_S: Final = 3
USUAL_S: Final = 300
"""How far back the band of usual values looks."""
SPARK_S: Final = 120
SPARK_STEP_S: Final = 2
_ENOUGH: Final = 20
"""Points from which a usual range means something."""
_LATENCIES: Final = ("ttft_s_p95", "inter_token_s_p95", "duration_s_p95", "queue_s_p95")
_ENGINE_LATENCIES: Final = ("inter_token_s_mean", "ttft_s_mean")


def span_s(decisions: Sequence[Decision], now_us: int) -> int:
    """How far back a pool's charts reach: a young pool's not further than its own past."""
    oldest_us = min((one.at_us for one in decisions), default=now_us)
    age_s = (now_us - oldest_us) // SECOND_US
    return min(max(-(-age_s // 60) * 60, SHORTEST_SPAN_S), SPAN_S)


def demand_chart(decisions: Sequence[Decision], now_us: int, span_s: int = SPAN_S) -> Json:
    """Offered work against capacity, with the forecast's quantiles at the time they speak of."""
    since_us = now_us - span_s * SECOND_US
    rows = sorted((one for one in decisions if one.at_us >= since_us), key=lambda one: one.at_us)
    ahead = [_forecast(one) for one in rows]
    return {
        "kind": "demand",
        "from": since_us // 1_000,
        "now": now_us // 1_000,
        "t": [one.at_us // 1_000 for one in rows],
        "demand": [_rounded(one.demand) for one in rows],
        "capacity": [_capacity(one, one.current) for one in rows],
        "wanted": [_capacity(one, one.desired) for one in rows],
        "replicas": [one.current for one in rows],
        "forecast": [point for point in ahead if point],
        "unit": next((one.forecast.unit for one in reversed(rows) if one.forecast), "slots"),
    }


def _capacity(decision: Decision, replicas: int) -> float | None:
    per_replica = decision.capacity_per_replica
    return None if per_replica is None else _rounded(per_replica * replicas)


def _forecast(decision: Decision) -> list[float] | None:
    """``[ms, lowest quantile, the one planned for]``."""
    if not decision.forecast or not decision.forecast.quantiles:
        return None
    at_ms = (decision.at_us + round(decision.forecast.horizon_s * SECOND_US)) // 1_000
    lowest = min(quantile.value for quantile in decision.forecast.quantiles)
    return [at_ms, round(lowest, 3), round(decision.forecast.planned.value, 3)]


def latency_charts(
    view: View, cluster: str, pool: str, now_us: int, span_s: int = SPAN_S
) -> list[Json]:
    """The first two latencies that the pool shows, with what is usual and what was anomalous."""
    where = {"cluster": cluster, "pool": pool}
    found = ((name, view.series("pool", name, where)) for name in _LATENCIES)
    shown = [(name, lines[0]) for name, lines in found if lines and _seen(lines[0])]
    if not shown:
        shown = [(line.value, line) for line in _of_engines(view, where)]
    anomalies = view.anomalies(pool=pool)
    return [_latency(name, line, anomalies, now_us, span_s) for name, line in shown[:2]]


def _of_engines(view: View, where: Mapping[str, str]) -> Iterator[Line]:
    """Where no gateway tells: of all replicas together, so that a step shows the slowest."""
    for name in _ENGINE_LATENCIES:
        lines = [one for one in view.series("engine", name, where) if _seen(one)]
        if lines:
            at_us = np.concatenate([line.at_us for line in lines])
            order = np.argsort(at_us, kind="stable")
            values = np.concatenate([line.values for line in lines])
            yield Line("engine", {}, name, at_us[order], values[order])


def _latency(name: str, line: Line, anomalies: Sequence[Anomaly], now_us: int, span_s: int) -> Json:
    step = step_s(line, STEP_S)
    edge_us = edge(now_us, step)
    shown = span_s // step
    since_us = edge_us - shown * step * SECOND_US
    before = USUAL_S // step
    values = binned(line, edge_us, span_s=(shown + before) * step, step_s=step)
    low, high = usual(values, before)
    return {
        "kind": "latency",
        "title": feature(name) + (", slowest replica" if line.kind == "engine" else ""),
        "unit": find_value("engine" if line.kind == "engine" else "request", name).unit,
        "from": since_us // 1_000,
        "step": step * 1_000,
        "now": now_us // 1_000,
        "value": curve(values[-shown:]),
        "low": curve(low[-shown:]),
        "high": curve(high[-shown:]),
        "marks": [
            [max(one.started_at_us, since_us) // 1_000, (one.ended_at_us or now_us) // 1_000]
            for one in anomalies
            if one.value_name.startswith(name.rpartition("_")[0])
            and (one.ended_at_us or now_us) > since_us
        ],
    }


def step_s(line: Line, shortest_s: int) -> int:
    """As long as its own windows, if those are longer: or there would be gaps between them."""
    gaps = np.diff(np.unique(line.at_us[np.isfinite(line.values)]))
    usual_us = float(np.median(gaps)) if gaps.size else 0.0
    return max(shortest_s, round(usual_us / SECOND_US))


def edge(now_us: int, step_s: int) -> int:
    """The end of the step that runs: steps lie on the epoch's grid, so curves do not tremble."""
    step_us = step_s * SECOND_US
    return -(-now_us // step_us) * step_us


def binned(line: Line, until_us: int, *, span_s: int, step_s: int) -> Floats:
    """The largest value of each step of ``span_s`` seconds; NaN where none was seen."""
    bins = np.full(span_s // step_s, np.nan)
    at = (line.at_us - (until_us - span_s * SECOND_US)) // (step_s * SECOND_US)
    inside = (at >= 0) & (at < bins.size) & np.isfinite(line.values)
    np.fmax.at(bins, at[inside], line.values[inside])
    return bins


def usual(values: Floats, bins: int) -> tuple[Floats, Floats]:
    """10th and 90th percentile of the ``bins`` values before each, NaN while there are too few."""
    before = np.concatenate([np.full(bins, np.nan), values[:-1]])
    ranked = np.sort(np.lib.stride_tricks.sliding_window_view(before, bins), axis=1)  # NaN last
    seen = np.isfinite(ranked).sum(axis=1)

    def quantile(q: float) -> Floats:
        rank = np.clip(np.rint(q * (seen - 1)), 0, None).astype(np.intp)
        picked: Floats = np.take_along_axis(ranked, rank[:, None], axis=1)[:, 0]
        return np.where(seen >= _ENOUGH, picked, np.nan)

    return quantile(0.1), quantile(0.9)


def curve(values: Floats) -> Curve:
    """JSON has no NaN: a gap is null."""
    return [_rounded(value) for value in values.tolist()]


def spark(line: Line | None, now_us: int, *, width: float = 120, height: float = 28) -> str:
    """An SVG path of the last two minutes, scaled from 0 to its own largest value."""
    if line is None:
        return ""
    step = step_s(line, SPARK_STEP_S)
    span = max(2, SPARK_S // step) * step
    values = binned(line, edge(now_us, step), span_s=span, step_s=step)
    top = np.nanmax(values, initial=0.0) or 1.0
    steps = width / (values.size - 1)
    path: list[str] = []
    for i, value in enumerate(values.tolist()):
        if value == value:  # noqa: PLR0124 - NaN
            pen = "L" if path and i and values[i - 1] == values[i - 1] else "M"
            path.append(f"{pen}{i * steps:.1f} {height - 1 - value / top * (height - 3):.1f}")
    return "".join(path)


def _seen(line: Line) -> bool:
    return bool(np.isfinite(line.values).any())


def _rounded(value: float | None) -> float | None:
    return None if value is None or value != value else float(f"{value:.4g}")  # noqa: PLR0124
