"""One shard's deltas in, windows out: final when every source has passed, provisional on stalls."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Final, Literal

import numpy as np

from streams.codec import BlockHeader
from streams.errors import InvalidParameterError, SnapshotError
from streams.windows.admission import Admission, AdmissionState
from streams.windows.progress import (
    MAX_HOLD_US,
    Counts,
    News,
    Progress,
    ProgressState,
    Source,
)
from streams.windows.regroup import merge_tables
from streams.windows.rows import take
from streams.windows.table import Table

__all__ = ["Closed", "Limits", "Provisional", "ShardMerge", "merge_tables"]

_UNMERGED: Final = 32
"""Deltas of one window that wait before they are merged into one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a shard holds at most per series kind; beyond, its oldest window closes unfinished."""

    windows: int = 900
    rows: int = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What one block brought to its end.

    tables: one per window and kind that became final, by (end of window, kind), whatever the
        blocks were cut like.
    watermark_us: the shard's final watermark: every window that ends at or before it has been given
        out. 0 until all sources have been heard.
    fresh: False for a repeated or broken block: what else it carries must not be acted on.
    coverage: share of sources that have not been given up.
    sources: who was given up or taken back.
    missed_rows: how many rows of the block came for windows that had closed without their source.
    """

    tables: tuple[Table, ...] = ()
    watermark_us: int = 0
    fresh: bool = True
    coverage: float = 1.0
    sources: tuple[News, ...] = ()
    missed_rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisional:
    """A window held back by a stalled source, as it is now; ``coverage`` is 0 to 1."""

    table: Table
    coverage: float


@dataclass(slots=True, kw_only=True)
class OpenState:
    """What a snapshot has to keep of the open windows of a series kind."""

    closed_us: int = 0
    """Every window that ends at or before this has closed."""
    shown_us: int = 0
    """Every window that ends at or before this has been given out provisionally."""
    deltas: dict[int, list[Table]] = field(default_factory=dict)
    admission: AdmissionState


@dataclass(slots=True, kw_only=True)
class MergeState:
    """Everything a snapshot has to keep of a shard's windows."""

    watermark_us: int
    progress: ProgressState
    open: dict[str, OpenState]
    schema: Literal[1] = 1


class _OpenWindows:
    """The windows of one series kind that have not closed."""

    def __init__(self, kind: str, interval_us: int, max_series: int) -> None:
        self.interval_us = interval_us
        self.admission = Admission(kind, max_series=max_series)
        self.closed_us = 0
        self.shown_us = 0
        self._deltas: dict[int, list[Table]] = {}

    @property
    def state(self) -> OpenState:
        return OpenState(
            closed_us=self.closed_us,
            shown_us=self.shown_us,
            deltas=self._deltas,
            admission=self.admission.state,
        )

    @state.setter
    def state(self, state: OpenState) -> None:
        self.closed_us, self.shown_us = state.closed_us, state.shown_us
        self._deltas, self.admission.state = state.deltas, state.admission

    def __len__(self) -> int:
        return len(self._deltas)

    def rows(self) -> int:
        return sum(len(table) for deltas in self._deltas.values() for table in deltas)

    def add(self, table: Table) -> int:
        """Returns how many rows came too late."""
        late = 0
        for window_us in np.unique(table.window_us).tolist():
            rows = take(table, table.window_us == window_us)
            if window_us + self.interval_us <= self.closed_us:
                late += len(rows)
                continue
            deltas = self._deltas.setdefault(window_us, [])
            deltas.append(rows)
            if len(deltas) >= _UNMERGED:
                self._deltas[window_us] = [merge_tables(deltas)]
        return late

    def between(self, after_us: int, through_us: int) -> list[int]:
        """Windows that end after the one and at or before the other instant."""
        ends = (window_us + self.interval_us for window_us in self._deltas)
        return sorted(end - self.interval_us for end in ends if after_us < end <= through_us)

    def oldest(self) -> int:
        return min(self._deltas)

    def look(self, window_us: int) -> Table:
        merged = merge_tables(self._deltas[window_us])
        self._deltas[window_us] = [merged]
        return merged

    def close(self, window_us: int) -> tuple[Table, int]:
        self.closed_us = max(self.closed_us, window_us + self.interval_us)
        admitted = self.admission.admit(merge_tables(self._deltas.pop(window_us)))
        return admitted.table, admitted.folded

    def fold(self) -> None:
        """Make room: who could not be admitted now merges into ``other`` before the close."""
        for window_us in list(self._deltas):
            self._deltas[window_us] = [self.admission.preview(self.look(window_us)).table]


class ShardMerge:
    """A deterministic machine over the ordered log of one shard's partials.

    Block by block: drop what was counted already, add the rows to their windows, give out the
    windows that every source has passed. The same log gives the same windows, and so does the
    same raw log cut into other blocks.

    interval_us: length of windows per series kind.
    max_series: how many series of a kind have a row of their own in a window; the rest is
        ``other``.
    max_hold_us: how long windows wait for a source that is silent while others flow.
    """

    def __init__(  # noqa: PLR0913  # what a shard is made of
        self,
        shard: int,
        sources: Collection[Source],
        interval_us: Mapping[str, int],
        max_series: int,
        *,
        limits: Limits = Limits(),  # noqa: B008 -- frozen
        max_hold_us: int = MAX_HOLD_US,
    ) -> None:
        self.shard = shard
        self.watermark_us = 0
        self._progress = Progress(sources, max_hold_us=max_hold_us)
        self._limits = limits
        self._open = {
            kind: _OpenWindows(kind, length, max_series) for kind, length in interval_us.items()
        }

    @property
    def counts(self) -> Counts:
        return self._progress.counts

    @property
    def state(self) -> MergeState:
        return MergeState(
            watermark_us=self.watermark_us,
            progress=self._progress.state,
            open={kind: windows.state for kind, windows in self._open.items()},
        )

    @state.setter
    def state(self, state: MergeState) -> None:
        if state.open.keys() != self._open.keys():
            raise SnapshotError(f"windows of {sorted(state.open)}, expected {sorted(self._open)}")
        self.watermark_us = state.watermark_us
        self._progress.state = state.progress
        for kind, windows in self._open.items():
            windows.state = state.open[kind]

    def add(self, header: BlockHeader, table: Table | None, append_us: int) -> Closed:
        """Take the next block of the log in; ``append_us`` is its append time."""
        if table is not None and table.kind not in self._open:
            raise InvalidParameterError("table.kind", table.kind, f"one of {sorted(self._open)}")
        counted = self._progress.take(header, table, append_us, self.watermark_us)
        missed_before = self.counts.missed_rows
        for rows in counted or ():
            windows = self._open[rows.kind]
            kept = self._not_missed(rows, windows.interval_us, (header.source, header.partition))
            self.counts.late_after_close += windows.add(kept)
            self._fold_if_too_many(rows.kind)
        closed = self._closed(fresh=counted is not None)
        return replace(closed, missed_rows=self.counts.missed_rows - missed_before)

    def expect(self, source: Source) -> Closed:
        """A new source partition: wait for it from now on."""
        self._progress.expect(source, self.watermark_us)
        return self._closed(fresh=True)

    def give_up(self, source: Source) -> Closed:
        """Wait for a source no longer, until it sends something again."""
        self._progress.give_up(source)
        return self._closed(fresh=True)

    def provisional(self, now_us: int, stall_us: int) -> tuple[Provisional, ...]:
        """Windows that only sources silent for more than ``stall_us`` hold back, once each."""
        through_us = self._progress.flowing_watermark_us(now_us, stall_us)
        if through_us is None:
            return ()
        found: list[Provisional] = []
        for windows in self._open.values():
            for window_us in windows.between(windows.shown_us, through_us):
                windows.shown_us = window_us + windows.interval_us
                found.append(
                    Provisional(
                        table=windows.admission.preview(windows.look(window_us)).table,
                        coverage=self._progress.coverage(windows.shown_us),
                    )
                )
        self.counts.provisional_windows += len(found)
        return tuple(found)

    def flowing_ratio(self, now_us: int, stall_us: int) -> float:
        """Share of sources heard of within ``stall_us``."""
        return self._progress.flowing_ratio(now_us, stall_us)

    def open_windows(self) -> dict[str, int]:
        """How many windows of each kind are held."""
        return {kind: len(windows) for kind, windows in self._open.items()}

    def _closed(self, *, fresh: bool) -> Closed:
        self.watermark_us = max(self.watermark_us, self._progress.watermark_us() or 0)
        tables = [*self._forced(), *self._final()]
        return Closed(
            tables=tuple(tables),
            watermark_us=self.watermark_us,
            fresh=fresh,
            coverage=self._progress.awaited_ratio(),
            sources=self._progress.news(),
        )

    def _not_missed(self, rows: Table, interval_us: int, source: Source) -> Table:
        kept = rows.window_us + interval_us > self._progress.joined_us(source)
        self.counts.missed_rows += int(np.count_nonzero(~kept))
        return take(rows, kept)

    def _final(self) -> list[Table]:
        due: list[tuple[int, str, int]] = []
        for kind, windows in self._open.items():
            ready = windows.between(0, self.watermark_us)
            due.extend((window_us + windows.interval_us, kind, window_us) for window_us in ready)
            windows.closed_us = max(windows.closed_us, self.watermark_us)
        return [self._close(kind, window_us) for _, kind, window_us in sorted(due)]

    def _forced(self) -> list[Table]:
        forced: list[Table] = []
        for kind, windows in self._open.items():
            while len(windows) > self._limits.windows or windows.rows() > self._limits.rows:
                self.counts.forced_windows += 1
                forced.append(self._close(kind, windows.oldest()))
        return sorted(forced, key=attrgetter("kind"))

    def _close(self, kind: str, window_us: int) -> Table:
        table, folded = self._open[kind].close(window_us)
        self.counts.folded_series += folded
        return table

    def _fold_if_too_many(self, kind: str) -> None:
        if self._open[kind].rows() > self._limits.rows:
            self._open[kind].fold()
