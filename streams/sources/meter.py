"""Readings of one engine's page in, samples out: what stood there becomes what came since."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample
from streams.sources.cumulative import Cumulative, placed, since
from streams.windows.spread import MAX_SPREAD_CHARS, spread_text

Labels = frozenset[tuple[str, str]]

_LEVELS: Final = (
    "running",
    "waiting",
    "deferred",
    "kv_use_ratio",
    "kv_capacity_tokens",
    "asleep",
)
_COUNTERS: Final = (
    "prompt_tokens",
    "cached_tokens",
    "output_tokens",
    "finished",
    "failed",
    "aborted",
    "truncated",
    "ends",
    "answers",
    "answer_tokens",
    "stretches",
    "repeated",
    "corrupted",
    "preemptions",
)
_TIMINGS: Final = ("ttft", "inter_token", "queue", "prefill", "duration")

MAX_SERIES: Final = 1_000
"""Of one counter of one replica; with more, those that a page leaves out are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReading:
    """One page of /metrics: levels as they are, counters and histograms as they stand."""

    levels: Mapping[str, float | None] = field(default_factory=dict)
    counters: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)
    """By the labels of their series: each of them may be reset alone."""
    histograms: Mapping[str, Mapping[Labels, Cumulative]] = field(default_factory=dict)
    engine: str = ""
    model: str = ""
    adapters: str = ""
    started_s: float | None = None
    """When its process says it was started, in seconds since 1970."""

    def total(self, counter: str) -> float | None:
        """What a counter of all series together shows; None if there is none."""
        found = self.counters.get(counter)
        return None if found is None else sum(found.values())


class EngineMeter:
    """Turns the readings of one replica into samples: counters become differences.

    A counter that went down was reset: all it shows now happened since. A series that is seen for
    the first time has no difference. What a page leaves out is taken up where it was left.
    """

    def __init__(self, *, cluster: str, pool: str, replica: str) -> None:
        self._empty = EngineSample(at_us=0, cluster=cluster, pool=pool, replica=replica)
        self._counters: dict[str, Mapping[Labels, float]] = {}
        self._histograms: dict[str, Mapping[Labels, Cumulative]] = {}
        self._before_us: int | None = None
        self._started_s: float | None = None

    def silent(self, at_us: int, waited_s: float) -> EngineSample:
        """No answer in time."""
        return self._empty.but(at_us=at_us, up=0.0, scrape_s=waited_s)

    def sample(self, reading: EngineReading, at_us: int, scrape_s: float) -> EngineSample:
        restarts = self._restarts(reading)
        came = {name: self._came(name, now) for name, now in reading.counters.items()}
        spreads = {name: self._spread(name, now) for name, now in reading.histograms.items()}
        before_us, self._before_us = self._before_us, at_us
        levels = reading.levels
        return self._empty.but(
            at_us=at_us,
            interval_s=1.0 if before_us is None else (at_us - before_us) / SECOND_US,
            up=1.0,
            scrape_s=scrape_s,
            engine=reading.engine,
            model=reading.model,
            adapters=reading.adapters,
            restarts=restarts,
            prefix_hit_ratio=_ratio(
                came.get("cached_tokens"),
                came.get("prefix_queries", came.get("prompt_tokens")),
                levels.get("prefix_hit_ratio"),
            ),
            spec_accept_ratio=_ratio(
                came.get("spec_accepted"),
                came.get("spec_drafted"),
                levels.get("spec_accept_ratio"),
            ),
            **{name: levels.get(name) for name in _LEVELS},
            **{name: _whole(came.get(name, 0.0)) for name in _COUNTERS},
            **{f"{name}_s": _mean(came, name) for name in _TIMINGS if _sound(reading, name)},
            **{f"{name}_spread": text for name, text in spreads.items()},
        )

    def _restarts(self, reading: EngineReading) -> int:
        """By its process's own word, else by all that it counts having gone down together."""
        before_s, self._started_s = self._started_s, reading.started_s
        if before_s is not None and reading.started_s is not None:
            return int(reading.started_s > before_s + 1)
        down = (
            reading.counters[name][key] < value
            for name in _COUNTERS
            for key, value in self._counters.get(name, {}).items()
            if value > 0 and key in reading.counters.get(name, {})
        )
        first = next(down, False)
        return int(first and all(down))

    def _came(self, name: str, now: Mapping[Labels, float]) -> float:
        before = self._counters.get(name, {})
        finite = {key: value for key, value in now.items() if math.isfinite(value)}
        known = {**before, **finite}
        self._counters[name] = known if len(known) <= MAX_SERIES else finite
        return sum(
            value - then if value >= then else max(0.0, value)
            for key, value in finite.items()
            if (then := before.get(key)) is not None
        )

    def _spread(self, name: str, now: Mapping[Labels, Cumulative]) -> str:
        before = self._histograms.get(name, {})
        self._histograms[name] = now
        values, counts = [np.zeros(0)], [np.zeros(0, np.int64)]
        for key, histogram in now.items():
            of_each, total = since(before.get(key), histogram)
            if of_each.any():
                found = placed(histogram.edges, of_each, total)
                values.append(found[0])
                counts.append(found[1])
        text = spread_text(np.concatenate(values), np.concatenate(counts))
        # Hundreds of series behind one page: their mean has to do.
        return text if len(text) <= MAX_SPREAD_CHARS else ""


def _whole(value: float) -> int:
    return round(value) if math.isfinite(value) else 0


def _sound(reading: EngineReading, timing: str) -> bool:
    """A sum that is no number would pass for one that did not grow."""
    return all(map(math.isfinite, reading.counters.get(f"{timing}_sum", {}).values()))


def _mean(came: Mapping[str, float], name: str) -> float | None:
    count = came.get(f"{name}_count", 0.0)
    return max(0.0, came[f"{name}_sum"]) / count if count > 0 else None


def _ratio(part: float | None, whole: float | None, otherwise: float | None) -> float | None:
    """From what came since if anything did, else what the engine itself says."""
    if part is None or not whole:
        return otherwise
    return min(1.0, part / whole)
