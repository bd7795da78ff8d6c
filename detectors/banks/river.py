"""River's half-space trees and rolling quantiles, one of each per series, behind our contract."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from river import anomaly, stats

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, first_column, grown
from streams.errors import InvalidParameterError

Masses = npt.NDArray[np.int16]

QUANTILES: Final = (0.05, 0.5, 0.95)
TREES: Final = 10
HEIGHT: Final = 6
NODES: Final = 2 ** (HEIGHT + 1) - 1
MAX_MEMORY: Final = 32_767
"""So many values a mass can count."""


@dataclass(slots=True)
class RiverState:
    """One row per series; everything a snapshot has to keep.

    Quantiles are not among it: they are made anew from the values they look back on.
    """

    seen: Floats
    taken: Rows
    """How many values were learned."""
    values: Floats
    """[row, memory]: the last ones, a ring."""
    masses: Masses
    """[row, tree, node]: how many values passed each node since the memory was last full."""
    reference: Masses
    """The same of the full memory before, which scores are taken from."""
    schema: Literal[1] = field(default=1, kw_only=True)


class HalfSpaceTrees:
    """The trees that River draws from ``seed``; with the same masses they score as River's do.

    River keeps every node of every series as an object of its own (350 kB a series, and 10 ms to
    build it); trees of one seed differ in nothing but their masses. Node i has the children
    2i + 1, where values are below its threshold, and 2i + 2.
    """

    def __init__(self, *, memory: int, seed: int) -> None:
        drawn: Any = anomaly.HalfSpaceTrees(
            n_trees=TREES, height=HEIGHT, window_size=memory, seed=seed
        )
        drawn.learn_one({"x": 0.5})  # River draws them with the first value.
        self._thresholds = np.array([list(_thresholds(tree)) for tree in drawn.trees])
        self._memory = memory

    def paths(self, x: Floats) -> Rows:
        """Node numbers from root to leaf, [value, tree, depth]."""
        trees = np.arange(TREES)
        path = [np.zeros((x.size, TREES), np.int64)]
        for _ in range(HEIGHT):
            at = path[-1]
            path.append(2 * at + 1 + (x[:, None] >= self._thresholds[trees, at]))
        return np.stack(path, axis=2)

    def scores(self, masses: Masses, x: Floats) -> Floats:
        """Of a value for each set of masses [value, tree, node]: 1 less the share of its mass."""
        mass = np.take_along_axis(masses, self.paths(x), axis=2).astype(np.int64)
        # A node that few have passed ends the way down; it counts, what is below it does not.
        ends = mass[:, :, :-1] < 0.1 * self._memory
        mass[:, :, 1:] *= ~np.logical_or.accumulate(ends, axis=2)
        total = (mass << np.arange(HEIGHT + 1)).sum(axis=(1, 2))
        scores: Floats = 1 - total / (TREES * self._memory * NODES)
        return scores


class RiverBank:
    """Score of half-space trees, in units of the score that lies on the boundary.

    ``score = model score / boundary``. The value enters the model as the logistic of its distance
    from the rolling median in units of the rolling spread: in (0, 1) as half-space trees need it.
    What is expected and the band come from River's rolling quantiles of the same values.

    boundary: model score that becomes 1.0.
    memory_s: seconds the rolling quantiles and the model look back.
    warmup_s: seconds a series must have shown before it scores other than 0.
    floor: least spread believed, in the unit of the value.
    seed: the trees are drawn from it, the same for all series.
    """

    def __init__(  # noqa: PLR0913 (a bank's options, always by keyword)
        self,
        *,
        boundary: float = 0.95,
        memory_s: float = 60.0,
        warmup_s: float = 60.0,
        floor: float = 1e-6,
        seed: int = 1,
        step_s: float = 1.0,
    ) -> None:
        if not 0 < boundary <= 1:
            raise InvalidParameterError("boundary", boundary, "more than 0 and at most 1")
        if floor <= 0:
            raise InvalidParameterError("floor", floor, "more than 0")
        if memory_s / step_s > MAX_MEMORY:
            raise InvalidParameterError("memory_s", memory_s, f"at most {MAX_MEMORY * step_s:g} s")
        self._boundary = boundary
        self._memory = max(8, round(memory_s / step_s))
        self._warmup = max(warmup_s / step_s, 8)
        self._floor = floor
        self._trees = HalfSpaceTrees(memory=self._memory, seed=seed)
        none = np.zeros((0, TREES, NODES), np.int16)
        values = np.zeros((0, self._memory))
        self.state = RiverState(np.zeros(0), np.zeros(0, np.int64), values, none, none)
        self._quantiles: dict[int, list[Any]] = {}
        """By row, at most one set for each."""

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.state = cleared(self.state, row)
        self._quantiles.pop(row, None)

    def score(self, rows: Rows, values: Floats) -> Floats:
        return self._score(rows, values, self._bands(rows))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        bands = self._bands(rows)
        score = self._score(rows, values, bands)
        known = np.isfinite(bands[:, 1])
        return Reading(
            score=score,
            expected=np.where(known, bands[:, 1], values),
            lower=np.where(known, bands[:, 0], -np.inf),
            upper=np.where(known, bands[:, 2], np.inf),
            above=values > np.where(known, bands[:, 1], values),
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        state = self.state = grown(self.state, rows)
        state.seen[rows] += 1
        taken = np.broadcast_to(np.asarray(weights) >= 0.5, rows.shape)
        rows, values = rows[taken], values[taken]
        for row, value in zip(rows.tolist(), values.tolist(), strict=True):
            for quantile in self._quantiles_of(row):
                quantile.update(value)
        state.values[rows, state.taken[rows] % self._memory] = values
        state.taken[rows] += 1
        paths = self._trees.paths(self._squashed(values, self._bands(rows)))
        state.masses[rows[:, None, None], np.arange(TREES)[:, None], paths] += np.int16(1)
        full = rows[state.taken[rows] % self._memory == 0]
        state.reference[full] = state.masses[full]
        state.masses[full] = 0

    def _score(self, rows: Rows, values: Floats, bands: Floats) -> Floats:
        state, scores = grown(self.state, rows), np.zeros(rows.size)
        # Before the memory was full once there is nothing to compare with.
        ready = (state.seen[rows] >= self._warmup) & (state.taken[rows] >= self._memory)
        x = self._squashed(values[ready], bands[ready])
        scores[ready] = self._trees.scores(state.reference[rows[ready]], x) / self._boundary
        return bounded(scores)

    def _squashed(self, values: Floats, bands: Floats) -> Floats:
        low, middle, high = bands.T
        spread = np.maximum(high - low, self._floor)
        squashed: Floats = 0.5 + 0.5 * np.tanh((values - middle) / (2 * spread))
        return squashed

    def _bands(self, rows: Rows) -> Floats:
        """[row, quantile]; NaN where nothing was learned."""
        taken = grown(self.state, rows).taken[rows].tolist()
        nothing = [np.nan] * len(QUANTILES)
        bands = [
            [quantile.get() for quantile in self._quantiles_of(row)] if count else nothing
            for row, count in zip(rows.tolist(), taken, strict=True)
        ]
        return np.array(bands).reshape(-1, len(QUANTILES))

    def _quantiles_of(self, row: int) -> list[Any]:
        found = self._quantiles.get(row)
        if found is None:
            found = [stats.RollingQuantile(q, window_size=self._memory) for q in QUANTILES]
            for value in self._remembered(row):
                for quantile in found:
                    quantile.update(value)
            self._quantiles[row] = found
        return found

    def _remembered(self, row: int) -> Iterator[float]:
        count = int(self.state.taken[row])
        for at in range(max(0, count - self._memory), count):
            yield float(self.state.values[row, at % self._memory])


def _thresholds(tree: Any) -> Iterator[float]:
    """Of the inner nodes, level by level."""
    level = [tree]
    for _ in range(HEIGHT):
        yield from (node.threshold for node in level)
        level = [child for node in level for child in node.children]
