"""How far each source of a shard has come: offsets, watermarks, blocks in parts."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from streams.codec import BlockHeader
from streams.windows.table import Table

Source = tuple[str, int]
"""(topic, partition) of a raw topic."""

MAX_PARTS: Final = 256
"""Parts of one block that are held until the last has come; a longer one is dropped."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """What a shard saw; only ever grows."""

    blocks: int = 0
    repeated_blocks: int = 0
    """Dropped: their offsets had been counted already."""
    lost_records: int = 0
    """Offsets that no block covered."""
    broken_blocks: int = 0
    """Dropped: a part was missing or out of order."""
    late_after_close: int = 0
    """Rows for windows that were final; must stay 0."""
    folded_series: int = 0
    """Series merged into ``other``, summed over windows."""
    forced_windows: int = 0
    """Windows closed before every source had passed, because too much was held."""
    provisional_windows: int = 0
    """Windows shown before they were final, because a source was silent."""


@dataclass(slots=True)
class _SourceState:
    heard_us: int
    next_offset: int | None = None
    watermark_us: int | None = None
    held: list[Table] = field(default_factory=list)
    parts: int = 0
    """Parts of the unfinished block that have come."""
    held_from: int = -1


class Progress:
    """Takes each source's blocks in order, once, and whole."""

    def __init__(self, sources: Collection[Source], counts: Counts) -> None:
        self._states: dict[Source, _SourceState | None] = dict.fromkeys(sorted(sources))
        self._not_awaited: dict[Source, _SourceState] = {}
        self._counts = counts
        self._began_us: int | None = None

    def expect(self, source: Source) -> None:
        """Wait for this source too, from now on."""
        self._states.setdefault(source, self._not_awaited.pop(source, None))

    def give_up(self, source: Source) -> None:
        """Wait for it no longer, until it sends rows again."""
        state = self._states.pop(source, None)
        if state is not None:
            self._not_awaited[source] = state

    def take(self, header: BlockHeader, table: Table | None, append_us: int) -> list[Table] | None:
        """The tables that count now (none before the last part), or None for a dropped block."""
        if self._began_us is None:
            self._began_us = append_us
        state = self._state_of(header, append_us)
        state.heard_us = max(state.heard_us, append_us)
        self._counts.blocks += 1
        if state.next_offset is not None and header.from_offset < state.next_offset:
            self._counts.repeated_blocks += 1
            return None
        if not self._is_next_part(state, header):
            self._counts.broken_blocks += 1
            return None
        if table is not None and len(table):
            state.held.append(table)
        return self._finished(state, header) if header.part == header.parts else []

    def watermark_us(self) -> int | None:
        """What every source has passed; None until all have been heard."""
        passed = [state.watermark_us for state in self._states.values() if state]
        known = [mark for mark in passed if mark is not None]
        return min(known) if known and len(known) == len(self._states) else None

    def flowing_watermark_us(self, now_us: int, stall_us: int) -> int | None:
        """What all sources heard within ``stall_us`` have passed; None unless some are stalled."""
        silent_since = now_us - stall_us
        states = list(self._states.values())
        flowing = [s for s in states if s is not None and s.heard_us >= silent_since]
        if len(flowing) == len(states) or not flowing:
            return None
        if None in states and (self._began_us is None or self._began_us >= silent_since):
            return None  # A source that has never been heard gets the same patience.
        marks = [s.watermark_us for s in flowing if s.watermark_us is not None]
        return min(marks) if len(marks) == len(flowing) else None

    def flowing_ratio(self, now_us: int, stall_us: int) -> float:
        """Share of sources heard of within ``stall_us``."""
        heard = [s for s in self._states.values() if s and s.heard_us >= now_us - stall_us]
        return len(heard) / max(1, len(self._states))

    def coverage(self, end_us: int) -> float:
        """Share of sources that have passed ``end_us``."""
        passed = sum(
            state is not None and state.watermark_us is not None and state.watermark_us >= end_us
            for state in self._states.values()
        )
        return passed / max(1, len(self._states))

    def _state_of(self, header: BlockHeader, append_us: int) -> _SourceState:
        """A source that sends rows unexpectedly is awaited from then on; one of controls is not."""
        source = (header.source, header.partition)
        state = self._states.get(source) or self._not_awaited.get(source) or _SourceState(append_us)
        awaited = source in self._states or header.kind != "control"
        if awaited:
            self._not_awaited.pop(source, None)
            self._states[source] = state
        else:
            self._not_awaited[source] = state
        return state

    @staticmethod
    def _is_next_part(state: _SourceState, header: BlockHeader) -> bool:
        if header.part == 1:  # Also a block that is written again from its start.
            state.held, state.parts, state.held_from = [], 0, header.from_offset
        fits = header.part == state.parts + 1 and header.from_offset == state.held_from
        if not fits or header.parts > MAX_PARTS:
            state.held, state.held_from = [], -1
            return False
        state.parts = header.part
        return True

    def _finished(self, state: _SourceState, header: BlockHeader) -> list[Table]:
        if state.next_offset is not None:
            self._counts.lost_records += header.from_offset - state.next_offset
        state.next_offset = header.next_offset
        if state.watermark_us is None or header.watermark_us > state.watermark_us:
            state.watermark_us = header.watermark_us
        held, state.held = state.held, []
        return held
