"""What an inference engine says on /metrics, in the words of EngineSample."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from streams.sources.cumulative import Cumulative
from streams.sources.engine_names import ENGINES, Timing
from streams.sources.meter import EngineReading, Labels
from streams.sources.prometheus_text import Sample
from streams.sources.vocabulary import (
    ADAPTERS,
    COUNTERS,
    ENGINE_OF,
    LEVELS,
    STARTED,
    TIMINGS,
    Selector,
)

_SHARDS: Final = frozenset({"tp_rank", "pp_rank", "moe_ep_rank"})
"""Ranks that work on the same requests: each reports all of them."""
_LARGEST: Final = frozenset({"kv_use_ratio", "asleep", "kv_block_tokens"})
"""Of several engines behind one page, the one that is worst off; other levels are added up."""
_AVERAGED: Final = frozenset({"prefix_hit_ratio", "spec_accept_ratio"})
_MODELS: Final = ("model_name", "model_id", "model")
MAX_TEXT: Final = 256


class Series(Protocol):
    """What names one line of a page."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Mapping[str, str]: ...


Places = Mapping[Labels, int]
"""Labels of a series -> the place of its value."""


@dataclass(frozen=True, slots=True)
class _Histogram:
    edges: tuple[float, ...]
    buckets: Sequence[int]
    sum: int
    scale: float

    def read(self, values: Sequence[float]) -> Cumulative:
        counts = np.nan_to_num(np.array([values[place] for place in self.buckets]))
        return Cumulative(self.edges, counts, values[self.sum] * self.scale)


@dataclass(frozen=True, slots=True)
class PagePlan:
    """Which lines of a page make up which quantity; worked out once for each layout of a page."""

    engine: str
    models: str
    levels: Mapping[str, Sequence[Sequence[int]]]
    """Quantity -> places, grouped by the engine they speak of."""
    constants: Mapping[str, float]
    counters: Mapping[str, tuple[Places, float]]
    """Quantity -> places, and its scale."""
    histograms: Mapping[str, Mapping[Labels, _Histogram]]
    adapters: Sequence[tuple[int, str]]
    started: Sequence[int]
    """Places of the instants at which processes behind the page were started."""

    def read(self, values: Sequence[float]) -> EngineReading:
        """What a page says whose lines have these values, in the order of the lines."""
        levels = {name: _level(name, groups, values) for name, groups in self.levels.items()}
        levels |= self.constants
        blocks, block_tokens = levels.get("kv_blocks"), levels.get("kv_block_tokens")
        if blocks and block_tokens:
            levels.setdefault("kv_capacity_tokens", blocks * block_tokens)
        newest = max(self.adapters, key=lambda one: values[one[0]], default=(0, ""))
        return EngineReading(
            levels=levels,
            counters={
                name: {key: values[at] * scale for key, at in places.items()}
                for name, (places, scale) in self.counters.items()
            },
            histograms={
                name: {key: one.read(values) for key, one in found.items()}
                for name, found in self.histograms.items()
            },
            engine=self.engine,
            model=self.models,
            adapters=newest[1],
            started_s=max(
                filter(math.isfinite, map(values.__getitem__, self.started)), default=None
            ),
        )


def plan_page(series: Sequence[Series]) -> PagePlan:
    """How to read pages with these lines; of what no known engine says nothing is kept."""
    page = _Page(series)
    levels: dict[str, list[list[int]]] = {}
    constants: dict[str, float] = {}
    for name, candidates in LEVELS.items():
        chosen, at = page.first(candidates)
        if chosen is not None and chosen.take:
            constants |= _constant(name, chosen.take, [series[place] for place in at])
        elif at:
            levels[name] = page.by_engine(at)
    counters = {
        name: (page.by_labels(at), 1.0)
        for name, candidates in COUNTERS.items()
        if (at := page.first(candidates)[1])
    }
    histograms: dict[str, Mapping[Labels, _Histogram]] = {}
    for name, timings in TIMINGS.items():
        if timing := page.first_timing(timings):
            buckets, total, count = timing.parts
            counters[f"{name}_sum"] = page.by_labels(page.at(total)), timing.scale
            counters[f"{name}_count"] = page.by_labels(page.at(count)), 1.0
            histograms[name] = page.histograms(buckets, total, timing.scale)
    return PagePlan(
        engine=page.engine(),
        models=page.models(),
        levels=levels,
        constants=constants,
        counters=counters,
        histograms=histograms,
        adapters=[(at, _adapters(series[at].labels)) for n in ADAPTERS for at in page.at(n)],
        started=page.at(STARTED),
    )


def read_engine(samples: Sequence[Sample]) -> EngineReading:
    """What any of the known engines says here; several on one page complete each other."""
    return plan_page(samples).read([sample.value for sample in samples])


class _Page:
    """The lines of a page, by name."""

    def __init__(self, series: Sequence[Series]) -> None:
        self._series = series
        self._by_name: dict[str, list[int]] = {}
        for place, one in enumerate(series):
            self._by_name.setdefault(one.name, []).append(place)

    def at(self, name: str) -> Sequence[int]:
        return self._by_name.get(name, ())

    def first(self, candidates: Iterable[Selector]) -> tuple[Selector | None, list[int]]:
        for one in candidates:
            at = [place for place in self.at(one.name) if one.fits(self._series[place].labels)]
            if at:
                return one, at
        return None, []

    def first_timing(self, candidates: Iterable[Timing]) -> Timing | None:
        return next((t for t in candidates if self.at(t.parts[1]) and self.at(t.parts[2])), None)

    def by_labels(self, at: Iterable[int]) -> Places:
        return {frozenset(self._series[place].labels.items()): place for place in at}

    def by_engine(self, at: Iterable[int]) -> list[list[int]]:
        groups: dict[Labels, list[int]] = {}
        for place in at:
            groups.setdefault(self._without(place, _SHARDS), []).append(place)
        return list(groups.values())

    def histograms(self, buckets: str, total: str, scale: float) -> dict[Labels, _Histogram]:
        """One for each set of labels; without an infinite bucket, or with negative ones, none."""
        sums = self.by_labels(self.at(total))
        by_edge: dict[Labels, dict[float, int]] = {}
        for place in self.at(buckets):
            key = self._without(place, frozenset({"le"}))
            by_edge.setdefault(key, {})[_edge(self._series[place]) * scale] = place
        found: dict[Labels, _Histogram] = {}
        for key, places in by_edge.items():
            edges = tuple(sorted(edge for edge in places if not math.isnan(edge)))
            if len(edges) > 1 and edges[0] >= 0 and edges[-1] == math.inf and key in sums:
                found[key] = _Histogram(edges, [places[e] for e in edges], sums[key], scale)
        return found

    def engine(self) -> str:
        found = {ENGINE_OF[name] for name in self._by_name if name in ENGINE_OF}
        # Our door is no engine; behind it stands one.
        return next((name for name in ENGINES if name in found and name != "tidegate"), "")

    def models(self) -> str:
        labels = (one.labels for one in self._series if one.name in ENGINE_OF)
        found = {name for each in labels for key in _MODELS if (name := each.get(key, ""))}
        return ",".join(sorted(found))[:MAX_TEXT]

    def _without(self, place: int, names: frozenset[str]) -> Labels:
        return frozenset(i for i in self._series[place].labels.items() if i[0] not in names)


def _edge(bucket: Series) -> float:
    try:
        return float(bucket.labels.get("le", "nan"))
    except ValueError:
        return math.nan


def _adapters(labels: Mapping[str, str]) -> str:
    both = ",".join(labels.get(f"{which}_lora_adapters", "") for which in ("running", "waiting"))
    return ",".join(sorted({name for name in both.split(",") if name}))[:MAX_TEXT]


def _constant(name: str, label: str, found: Sequence[Series]) -> dict[str, float]:
    """A number that stands in a label, the same for every engine or added up over them."""
    numbers = [float(text) for one in found if (text := one.labels.get(label, "")).isdecimal()]
    if not numbers:
        return {}
    return {name: max(numbers) if name in _LARGEST else sum(numbers)}


def _level(name: str, groups: Sequence[Sequence[int]], values: Sequence[float]) -> float | None:
    """Ranks of one engine report the same requests: the largest stands for them."""
    finite = ([v for place in group if math.isfinite(v := values[place])] for group in groups)
    found = [max(group) for group in finite if group]
    if not found:
        return None
    if name in _AVERAGED:
        return sum(found) / len(found)
    return max(found) if name in _LARGEST else sum(found)
