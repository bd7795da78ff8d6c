"""Batches of a source partition in, ten seconds of what each of its senders did out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.origin_rows import COUNTS
from streams.portions import Decoded
from streams.punctuality import Sorted
from streams.schemas.origins import INTERVAL_S, Origins
from streams.windows.columns import Columns
from streams.windows.doubtful import Doubts
from streams.windows.fields import Mask
from streams.windows.identity import SeriesIndex
from streams.windows.rows import INT64_MAX
from streams.windows.table import Ints

Places = slice | Ints

MAX_ORIGINS: Final = 1_000
"""Of a source partition in an interval; further ones count together as ``other``."""
OTHER: Final = "other"
UNREADABLE: Final = ""
INTERVAL_US: Final = INTERVAL_S * 1_000_000

_SPEAKS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "request": ("cluster", "pool"),
    "engine": ("cluster", "pool", "replica"),
    "gpu": ("cluster", "node"),
}
_SIZE: Final = MAX_ORIGINS + 1
_NEVER: Final = INT64_MAX


@dataclass(frozen=True, slots=True)
class Heard:
    """One batch: what was in its messages, and what became of the records.

    dead: records that were set aside.
    """

    decoded: Decoded
    found: Sorted
    dead: Mask
    columns: Columns

    @classmethod
    def of(
        cls, decoded: Decoded, found: Sorted, rejects: Iterable[int], columns: Columns
    ) -> "Heard":
        dead = np.zeros(found.fit.size, np.bool_)
        dead[list(rejects)] = True
        return cls(decoded, found, dead, columns)


class OriginTally:
    """Counts by origin, the same however the log is cut into batches.

    A record belongs to the ten seconds in which its append time lies. When those are over is told
    by what is read next, or by the clock at the end of the log.
    """

    def __init__(self, index: SeriesIndex) -> None:
        self._index = index
        self._sets = index.sets
        self._doubts = Doubts(index.kind, _SIZE)
        self._begin(None)

    def add(self, heard: Heard) -> list[Origins]:
        """Returns the intervals that are over now."""
        ended: list[Origins] = []
        for from_us, messages in _by_interval(heard.found.passed_us):
            ended += self.end_before(from_us)
            self._add(heard, messages)
        return ended

    def end_before(self, passed_us: int) -> list[Origins]:
        """The log has been read up to this append time."""
        if self._from_us is not None and passed_us < self._from_us + INTERVAL_US:
            return []
        ended = self._told(sorted(self._slot_by_name))
        self._begin(passed_us // INTERVAL_US * INTERVAL_US)
        return [ended] if ended else []

    @property
    def pending(self) -> Origins | None:
        """What was counted and not yet given out."""
        return self._told(list(self._slot_by_name))

    def resume(self, pending: Origins | None) -> None:
        """Take up what was pending."""
        self._begin(pending.from_us if pending else None)
        if pending is None:
            return
        slots = [self._slot(name) for name in pending.names]
        for name in COUNTS:
            self._counts[name][slots] = getattr(pending, name) or 0
        least = np.array(pending.least_behind_us or [0] * len(slots), np.int64)
        dated = self._counts["records"][slots] - self._counts["dead"][slots]
        far = self._counts["far_future"][slots]
        self._least[slots] = np.where(dated > far, least, _NEVER)
        self._least_far[slots] = np.where((dated == far) & (far > 0), least, _NEVER)
        self._doubts.resume([o.but(origin=slots[o.origin]) for o in pending.doubtful])

    def _begin(self, from_us: int | None) -> None:
        self._from_us = from_us
        self._slot_by_name: dict[str, int] = {OTHER: 0}
        self._slot_by_code = np.zeros(0, np.int64)
        self._counts = {name: np.zeros(_SIZE, np.int64) for name in COUNTS}
        self._least = np.full(_SIZE, _NEVER)
        self._least_far = np.full(_SIZE, _NEVER)
        self._doubts.clear()

    def _told(self, names: Sequence[str]) -> Origins | None:
        if self._from_us is None:
            return None
        names = [name for name in names if name != OTHER or self._counts["records"][0]]
        slots = [self._slot_by_name[name] for name in names]
        least = np.where(self._least < _NEVER, self._least, self._least_far)
        columns = {**self._counts, "least_behind_us": np.where(least < _NEVER, least, 0)}
        place_of = {slot: place for place, slot in enumerate(slots)}
        return Origins(
            from_us=self._from_us,
            names=tuple(names),
            doubtful=tuple(self._doubts.told(place_of)),
            **{name: _shown(column[slots]) for name, column in columns.items()},
        )

    def _add(self, heard: Heard, messages: Mask) -> None:
        """Of some of the messages."""
        whole = bool(messages.all())
        at: Places = slice(None) if whole else np.flatnonzero(messages[heard.found.message])
        slots = self._slots(heard, messages, at)
        self._counts["records"] += np.bincount(slots, minlength=_SIZE)
        self._clocks(heard, at, slots)
        self._count("late", slots, heard.found.late[at])
        self._count("far_future", slots, heard.found.far[at])
        self._count("dead", slots, heard.dead[at])
        self._messages(heard.decoded, messages)
        everywhere = slots if whole else _spread(slots, at, heard.dead.size)
        self._doubts.add(heard.columns.seen, everywhere)

    def _messages(self, decoded: Decoded, messages: Mask) -> None:
        for frame in decoded.frames:
            if messages[frame.message]:
                slot = self._slot(frame.producer)
                self._counts["repeated_frames"][slot] += frame.repeated
                self._counts["lost_frames"][slot] += frame.lost
        for flaw in decoded.flaws:
            if messages[flaw.message]:
                for name in ("records", "dead"):
                    self._counts[name][self._slot(UNREADABLE)] += 1

    def _count(self, name: str, slots: Ints, which: Mask) -> None:
        if which.any():
            self._counts[name] += np.bincount(slots[which], minlength=_SIZE)

    def _clocks(self, heard: Heard, at: Places, slots: Ints) -> None:
        far, behind = heard.found.far[at], heard.found.behind_us[at]
        odd = far | heard.dead[at]
        if odd.any():
            np.minimum.at(self._least_far, slots[far], behind[far])
            slots, behind = slots[~odd], behind[~odd]
        np.minimum.at(self._least, slots, behind)

    def _slots(self, heard: Heard, messages: Mask, at: Places) -> Ints:
        """Of the records at some places."""
        code = heard.columns.code[at]
        frames = heard.decoded.frames
        if not frames:
            return self._by_code(code)
        by_message = np.full(messages.size, -1)
        for frame in frames:
            if messages[frame.message] and not frame.repeated:
                by_message[frame.message] = self._slot(frame.producer)
        slots = by_message[heard.found.message[at]]
        bare = slots < 0
        if bare.any():
            slots[bare] = self._by_code(code[bare])
        return slots

    def _by_code(self, codes: Ints) -> Ints:
        """By the labels of the records' series; a code of -1 finds the last one's place."""
        known = len(self._index.sets)
        if self._sets is not self._index.sets or self._slot_by_code.size != known + 1:
            self._sets = self._index.sets
            self._slot_by_code = np.full(known + 1, -1)
        slots = self._slot_by_code[codes]
        if slots.size and slots.min() < 0:
            new, first = np.unique(codes[slots < 0], return_index=True)
            for code in new[np.argsort(first)].tolist():
                self._slot_by_code[code] = self._slot(self._name(code))
            slots = self._slot_by_code[codes]
        return slots

    def _name(self, code: int) -> str:
        if code < 0:
            return UNREADABLE
        labels = self._index.labels(code)
        return "/".join(labels[name] for name in _SPEAKS_OF[self._index.kind])

    def _slot(self, name: str) -> int:
        if len(self._slot_by_name) > MAX_ORIGINS:
            return self._slot_by_name.get(name, 0)
        return self._slot_by_name.setdefault(name, len(self._slot_by_name))


def _by_interval(passed_us: Ints) -> Iterator[tuple[int, Mask]]:
    """When each interval begins, and which messages lie in it."""
    if not passed_us.size:
        return
    first_us, last_us = (int(at) // INTERVAL_US * INTERVAL_US for at in passed_us[[0, -1]])
    if first_us == last_us:  # Nearly always; dividing all of them takes as long as all the rest.
        yield first_us, np.ones(passed_us.size, np.bool_)
        return
    interval = passed_us // INTERVAL_US
    for number in np.unique(interval).tolist():
        yield number * INTERVAL_US, interval == number


def _spread(slots: Ints, at: Places, size: int) -> Ints:
    everywhere = np.full(size, -1)
    everywhere[at] = slots
    return everywhere


def _shown(column: Ints) -> tuple[int, ...]:
    return tuple(column.tolist()) if column.any() else ()
