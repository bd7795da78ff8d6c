"""Who has a series of their own when there are too many, and what the rest becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from streams.series import SERIES_LABELS, series_id
from streams.windows.regroup import Labels, regroup
from streams.windows.table import Ints, Table

OTHER: Final = "other"
_HOME: Final[Mapping[str, tuple[str, ...]]] = {
    "request": ("cluster", "pool"),
    "engine": ("cluster", "pool"),
    "gpu": ("cluster",),
}
"""Labels that ``other`` keeps, so that the sum over a pool stays whole."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """One window after admission; ``folded`` series went into ``other``."""

    table: Table
    folded: int


def _no_ints() -> Ints:
    return np.zeros(0, np.int64)


@dataclass(slots=True, kw_only=True)
class AdmissionState:
    """Who is in, and the window it was last seen in; everything a snapshot has to keep."""

    series: Ints = field(default_factory=_no_ints)
    seen_us: Ints = field(default_factory=_no_ints)
    schema: Literal[1] = 1


class Admission:
    """At most ``max_series`` series of one kind; decided window by window, in order.

    Who is in stays in while seen within ``forget_us``. Free places go to newcomers by (first
    window, series id). The rest merges into ``other`` of its pool, if anyone of that pool is in,
    else into one ``other`` for all.
    """

    def __init__(self, kind: str, *, max_series: int, forget_us: int = 900_000_000) -> None:
        self._kind = kind
        self._max_series = max_series
        self._forget_us = forget_us
        self.state = AdmissionState()

    def admit(self, window: Table) -> Admitted:
        """``window`` holds one window; call in order of time."""
        now_us = int(window.window_us[0])
        state = self.state
        keep = state.seen_us >= now_us - self._forget_us
        state.series, state.seen_us = state.series[keep], state.seen_us[keep]
        inside = self._inside(window)
        self._remember(window.series[inside], now_us)
        return _folded(window, inside)

    def preview(self, window: Table) -> Admitted:
        """What ``admit`` would make of it now; remembers nothing."""
        return _folded(window, self._inside(window))

    def _inside(self, window: Table) -> npt.NDArray[np.bool_]:
        inside = np.isin(window.series, self.state.series)
        free = max(0, self._max_series - self.state.series.size)
        newcomers = np.flatnonzero(~inside)
        inside[newcomers[:free]] = True
        return inside

    def _remember(self, series: Ints, now_us: int) -> None:
        state = self.state
        others = ~np.isin(state.series, series)
        state.series = np.concatenate([state.series[others], series])
        seen_us = np.full(series.size, now_us, np.int64)
        state.seen_us = np.concatenate([state.seen_us[others], seen_us])


def _folded(window: Table, inside: npt.NDArray[np.bool_]) -> Admitted:
    if inside.all():
        return Admitted(window, 0)
    kind = window.kind
    homes = {_home(kind, window.labels[key]) for key in window.series[inside].tolist()}
    series, labels = window.series.copy(), {}
    for row, key in enumerate(window.series.tolist()):
        if inside[row]:
            labels[key] = window.labels[key]
            continue
        other = _other(kind, _home(kind, window.labels[key]), homes)
        series[row] = series_id(kind, other)
        labels[int(series[row])] = other
    folded = int(inside.size - np.count_nonzero(inside))
    return Admitted(regroup(replace(window, series=series, labels=labels)), folded)


def _home(kind: str, labels: Labels) -> tuple[str, ...]:
    return tuple(labels.get(name, "") for name in _HOME[kind])


def _other(kind: str, home: tuple[str, ...], homes: set[tuple[str, ...]]) -> dict[str, str]:
    other = dict.fromkeys(SERIES_LABELS[kind], OTHER)
    return other | dict(zip(_HOME[kind], home, strict=True)) if home in homes else other
