"""`tidegate stranded`: windows of GPUs out of the store; who held how much of them without work."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from streams.errors import InvalidParameterError
from streams.settings import StreamSettings
from streams.sinks.base import Point
from streams.sinks.embedded import EmbeddedSink
from streams.sources.gpu_idle import STRANDED_S

UNKNOWN: Final = "(unknown)"
HOUR_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Stranded:
    """GPU-hours, a MIG instance counting as a GPU, and on how many of them."""

    owner: str
    hours: float
    gpus: int


def stranded(
    points: Iterable[Point], *, interval_s: float, idle_s: float = STRANDED_S
) -> list[Stranded]:
    """Sums the windows in which a GPU had been held and idle for ``idle_s``; the most first."""
    windows: defaultdict[str, int] = defaultdict(int)
    gpus: defaultdict[str, set[str]] = defaultdict(set)
    for point in points:
        held_s = point.fields.get("held_idle_s_max")
        if isinstance(held_s, float | int) and held_s >= idle_s:
            owner = str(point.fields.get("owner", UNKNOWN))
            windows[owner] += 1
            gpus[owner].add(point.tags.get("gpu_uuid", ""))
    found = (
        Stranded(owner, count * interval_s / HOUR_S, len(gpus[owner]))
        for owner, count in windows.items()
    )
    return sorted(found, key=lambda one: (-one.hours, one.owner))


def run(store: Path, settings: StreamSettings, *, since_us: int, idle_s: float) -> int:
    """Prints a line for each owner."""
    if not store.is_file():
        raise InvalidParameterError("STORE", str(store), "the SQLite file of a store that exists")
    sinks = settings.sinks.model_copy(update={"embedded_path": str(store)})
    sink = EmbeddedSink.from_settings(sinks)
    assert sink is not None  # noqa: S101 - it has a path
    try:
        found = stranded(
            sink.read("window_gpu", since_us=since_us),
            interval_s=settings.windows.gpu_interval_s,
            idle_s=idle_s,
        )
    finally:
        sink.close()
    for line in told(found, since_us=since_us, idle_s=idle_s):
        print(line)
    return 0


def told(found: Sequence[Stranded], *, since_us: int, idle_s: float) -> list[str]:
    """What a person reads."""
    since = datetime.fromtimestamp(since_us / 1e6, UTC).isoformat() if since_us else "the beginning"
    head = f"GPU-hours held without work, after the first {idle_s:g} s of it, since {since}"
    rows = [f"{one.hours:10.2f}  {one.gpus:5d} GPUs  {one.owner}" for one in found]
    return [head, *(rows or ["none"])]
