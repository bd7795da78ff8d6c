"""Final windows of engines in, what each replica of a pool did in them out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from autoscaler.demand import PoolKey
from streams.series import build_of
from streams.windows.features import FEATURES
from streams.windows.table import Table

_GAUGES: Final = ("running", "waiting", "deferred", "kv_use_ratio", "kv_capacity_tokens", "ttft_s")
_COLUMNS: Final = (
    *("prompt_tokens", "cached_tokens", "output_tokens"),
    *(f"{gauge}.{part}" for gauge in _GAUGES for part in ("n", "sum")),
)
"""Those that are read, of three times as many."""
_SCALE: Final = {feature.name: feature.scale for feature in FEATURES["engine"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSecond:
    """One replica in one window, by its engine's own word."""

    window_us: int
    replica: str
    build: str = ""
    """Empty while engine, version or model is not known."""
    prompt_tokens: int = 0
    """Read, without those found in its prefix cache."""
    output_tokens: int = 0
    running: float = 0.0
    waiting: float = 0.0
    """Of those inside the engine, for which there was no room."""
    kv_tokens: float = 0.0
    """In use; 0 where the engine does not tell."""
    kv_capacity_tokens: float = 0.0
    ttft_s: float | None = None
    """Mean of the requests that had their first token."""


def replica_seconds(
    table: Table, pools: Collection[PoolKey]
) -> Mapping[PoolKey, Sequence[ReplicaSecond]]:
    """Of replicas whose engine said what it was doing, oldest first."""
    found: dict[PoolKey, list[ReplicaSecond]] = {}
    columns = {
        name: column.tolist() for name in _COLUMNS if (column := table.ints.get(name)) is not None
    }
    for row, (window_us, series) in enumerate(
        zip(table.window_us.tolist(), table.series.tolist(), strict=True)
    ):
        labels = table.labels.get(series, {})
        pool = (labels.get("cluster", ""), labels.get("pool", ""))
        values = {name: column[row] for name, column in columns.items()}
        if pool in pools and values.get("running.n", 0):
            found.setdefault(pool, []).append(_second(window_us, labels, values))
    return found


def _second(window_us: int, labels: Mapping[str, str], row: Mapping[str, int]) -> ReplicaSecond:
    capacity = _mean(row, "kv_capacity_tokens")
    return ReplicaSecond(
        window_us=window_us,
        replica=labels.get("replica", ""),
        build=_build(labels),
        prompt_tokens=max(0, row.get("prompt_tokens", 0) - row.get("cached_tokens", 0)),
        output_tokens=row.get("output_tokens", 0),
        running=_mean(row, "running"),
        waiting=max(0.0, _mean(row, "waiting") - _mean(row, "deferred")),
        kv_tokens=_mean(row, "kv_use_ratio") * capacity,
        kv_capacity_tokens=capacity,
        ttft_s=_mean(row, "ttft_s") if row.get("ttft_s.n", 0) else None,
    )


def _build(labels: Mapping[str, str]) -> str:
    said = [labels.get(name, "") for name in ("engine", "version", "model")]
    return build_of(said[0], said[1], said[2].split(",")) if all(said) else ""


def _mean(row: Mapping[str, int], feature: str) -> float:
    n = row.get(f"{feature}.n", 0)
    return row[f"{feature}.sum"] / n / _SCALE[feature] if n else 0.0
