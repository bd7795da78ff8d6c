"""How far each source of a shard has come: offsets, watermarks, blocks in parts."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal

from streams.clock import SECOND_US
from streams.codec import BlockHeader
from streams.windows.table import Table

Source = tuple[str, int]
"""(topic, partition) of a raw topic."""
News = tuple[Source, bool]
"""A source, and whether it is awaited from here on."""

MAX_PARTS: Final = 256
"""Parts of one block that are held until the last has come; a longer one is dropped."""
MAX_HOLD_US: Final = 900 * SECOND_US
PAUSE_US: Final = 2 * SECOND_US
"""A longer pause of the whole log says nothing about any one source."""


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
    missed_rows: int = 0
    """Rows for windows that became final while their source was not awaited."""
    given_up: int = 0
    """How often a source was silent for so long that it was given up."""
    folded_series: int = 0
    """Series merged into ``other``, summed over windows."""
    forced_windows: int = 0
    """Windows closed before every source had passed, because too much was held."""
    provisional_windows: int = 0
    """Windows shown before they were final, because a source was silent."""


@dataclass(slots=True)
class _SourceState:
    heard_us: int
    heard_flow_us: int = 0
    joined_us: int = 0
    """Windows that end at or before this closed before the source was awaited."""
    next_offset: int | None = None
    watermark_us: int | None = None
    held: list[Table] = field(default_factory=list)
    parts: int = 0
    """Parts of the unfinished block that have come."""
    held_from: int = -1


@dataclass(slots=True, kw_only=True)
class ProgressState:
    """Everything a snapshot has to keep."""

    awaited: dict[Source, _SourceState | None]
    """None: never heard."""
    not_awaited: dict[Source, _SourceState] = field(default_factory=dict)
    given_up: list[Source] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    began_us: int | None = None
    newest_us: int = 0
    flow_us: int = 0
    """The log's own time, in which a pause of all is short."""
    schema: Literal[1] = 1


class Progress:
    """Takes each source's blocks in order, once, and whole.

    A source that is silent for ``max_hold_us`` while others flow is given up, and awaited again
    with its next block. That time is measured in the log, where a pause of all counts 2 s at most:
    after an outage of everything, nobody is given up for coming back second.
    """

    def __init__(self, sources: Collection[Source], *, max_hold_us: int = MAX_HOLD_US) -> None:
        self._state = ProgressState(awaited=dict.fromkeys(sorted(sources)))
        self._max_hold_us = max_hold_us
        self._news: list[News] = []
        """Asked for after every step."""

    @property
    def counts(self) -> Counts:
        return self._state.counts

    @property
    def state(self) -> ProgressState:
        return self._state

    @state.setter
    def state(self, state: ProgressState) -> None:
        self._state = state

    def expect(self, source: Source, passed_us: int) -> None:
        """Wait for this source too, from now on; windows up to ``passed_us`` have closed."""
        if source in self._state.awaited:
            return
        state = self._state.not_awaited.pop(source, None) or _SourceState(self._state.newest_us)
        # Whoever is announced has no rows yet: one for a closed window would be a mistake of ours.
        state.joined_us = passed_us if source in self._state.given_up else 0
        state.heard_flow_us = self._state.flow_us
        self._await(source, state)

    def give_up(self, source: Source) -> None:
        """Wait for it no longer, until it sends something again."""
        if source not in self._state.awaited:
            return
        state = self._state.awaited.pop(source)
        if state is not None:
            self._state.not_awaited[source] = state
        self._state.given_up.append(source)
        self.counts.given_up += 1
        self._tell(source, awaited=False)

    def news(self) -> tuple[News, ...]:
        """Who was given up or taken back since this was last asked."""
        news, self._news = self._news, []
        return tuple(news)

    def joined_us(self, source: Source) -> int:
        """Windows that end at or before this closed while the source was not awaited."""
        state = self._state.awaited.get(source)
        return state.joined_us if state else 0

    def take(
        self, header: BlockHeader, table: Table | None, append_us: int, passed_us: int = 0
    ) -> list[Table] | None:
        """The tables that count now (none before the last part), or None for a dropped block.

        passed_us: windows that end at or before this have closed.
        """
        if self._state.began_us is None:
            self._state.began_us = self._state.newest_us = append_us
        second_over = self._flow(append_us)
        state = self._state_of(header, append_us, passed_us)
        state.heard_us = max(state.heard_us, append_us)
        state.heard_flow_us = self._state.flow_us
        if second_over:
            self._give_up_the_silent()
        self.counts.blocks += 1
        if state.next_offset is not None and header.from_offset < state.next_offset:
            self.counts.repeated_blocks += 1
            return None
        if not self._is_next_part(state, header):
            self.counts.broken_blocks += 1
            return None
        if table is not None and len(table):
            state.held.append(table)
        return self._finished(state, header) if header.part == header.parts else []

    def watermark_us(self) -> int | None:
        """What every source has passed; None until all have been heard."""
        passed = [state.watermark_us for state in self._state.awaited.values() if state]
        known = [mark for mark in passed if mark is not None]
        return min(known) if known and len(known) == len(self._state.awaited) else None

    def flowing_watermark_us(self, now_us: int, stall_us: int) -> int | None:
        """What all sources heard within ``stall_us`` have passed; None unless some are stalled."""
        silent_since = now_us - stall_us
        states = list(self._state.awaited.values())
        flowing = [s for s in states if s is not None and s.heard_us >= silent_since]
        if len(flowing) == len(states) or not flowing:
            return None
        if None in states and (
            self._state.began_us is None or self._state.began_us >= silent_since
        ):
            return None  # A source that has never been heard gets the same patience.
        marks = [s.watermark_us for s in flowing if s.watermark_us is not None]
        return min(marks) if len(marks) == len(flowing) else None

    def flowing_ratio(self, now_us: int, stall_us: int) -> float:
        """Share of sources heard of within ``stall_us``."""
        heard = [s for s in self._state.awaited.values() if s and s.heard_us >= now_us - stall_us]
        return len(heard) / max(1, len(self._state.awaited))

    def coverage(self, end_us: int) -> float:
        """Share of sources that have passed ``end_us``; those given up have not."""
        passed = sum(
            state is not None and state.watermark_us is not None and state.watermark_us >= end_us
            for state in self._state.awaited.values()
        )
        return passed / max(1, len(self._state.awaited) + len(self._state.given_up))

    def awaited_ratio(self) -> float:
        """Share of sources that have not been given up."""
        return len(self._state.awaited) / max(
            1, len(self._state.awaited) + len(self._state.given_up)
        )

    def _state_of(self, header: BlockHeader, append_us: int, passed_us: int) -> _SourceState:
        """A source that sends rows unexpectedly is awaited from then on; one of controls is not."""
        source = (header.source, header.partition)
        state = (
            self._state.awaited.get(source)
            or self._state.not_awaited.get(source)
            or _SourceState(append_us)
        )
        if source in self._state.awaited:
            self._state.awaited[source] = state
        elif header.kind != "control" or source in self._state.given_up:
            state.joined_us = passed_us
            self._await(source, state)
        else:
            self._state.not_awaited[source] = state
        return state

    def _await(self, source: Source, state: _SourceState) -> None:
        self._state.not_awaited.pop(source, None)
        self._state.awaited[source] = state
        if source in self._state.given_up:
            self._state.given_up.remove(source)
            self._tell(source, awaited=True)

    def _flow(self, append_us: int) -> bool:
        """Let the log's own time go on; True about once a second."""
        before_us = self._state.flow_us
        self._state.flow_us += min(max(0, append_us - self._state.newest_us), PAUSE_US)
        self._state.newest_us = max(self._state.newest_us, append_us)
        return self._state.flow_us // SECOND_US > before_us // SECOND_US

    def _give_up_the_silent(self) -> None:
        silent_since_us = self._state.flow_us - self._max_hold_us
        for source, state in list(self._state.awaited.items()):
            if (state.heard_flow_us if state else 0) < silent_since_us:
                self.give_up(source)

    def _tell(self, source: Source, *, awaited: bool) -> None:
        self._news.append((source, awaited))

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
            self.counts.lost_records += header.from_offset - state.next_offset
        state.next_offset = header.next_offset
        if state.watermark_us is None or header.watermark_us > state.watermark_us:
            state.watermark_us = header.watermark_us
        held, state.held = state.held, []
        return held
