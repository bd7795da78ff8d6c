"""Scores above 1 in, anomalies out: when one begins, goes on and ends."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from detectors.banks.base import Bools, Cells, cleared
from streams.schemas.anomalies import Anomaly

SECOND_US: Final = 1_000_000
UPDATE_EVERY_US: Final = 2 * SECOND_US
MAX_OPEN: Final = 1_000
"""Anomalies open at once per series kind; a further one is not opened and counted."""

Slot = tuple[int, str]
"""(row of the roster, what is judged there): at most one anomaly is open in each."""


@dataclass(slots=True)
class HitsState:
    """Everything a snapshot has to keep."""

    bits: npt.NDArray[np.uint64]
    """[row, member], one bit a window, the newest lowest."""
    schema: Literal[2] = field(default=2, kw_only=True)


class Hits:
    """In which of the last 64 windows each member scored each row 1 or more.

    needs: by member, so many of the last ``2 * need`` windows begin an anomaly.
    """

    def __init__(self, needs: Sequence[int]) -> None:
        self._needs = np.array([min(max(1, need), 32) for need in needs])
        spans = [(1 << (2 * need)) - 1 for need in self._needs.tolist()]
        self._spans = np.array(spans, np.uint64)
        self.state = HitsState(np.zeros((0, len(needs)), np.uint64))

    def admit(self, row: int) -> None:
        self.state = cleared(self.state, row)

    def mark(self, cells: Cells) -> Bools:
        """One window passes; ``cells`` had a hit. Which of them have enough."""
        bits = self.state.bits
        bits <<= np.uint64(1)
        bits[cells] |= np.uint64(1)
        recent = np.bitwise_count(bits[cells] & self._spans[cells[1]])
        return np.asarray(recent >= self._needs[cells[1]])

    def windows_ago(self, row: int, member: int) -> int:
        """How many windows ago the oldest hit of the span was."""
        return int(self.state.bits[row, member] & self._spans[member]).bit_length() - 1


@dataclass(slots=True)
class _Episode:
    anomaly: Anomaly
    hit_us: int
    """Start of the last window that scored 1 or more."""
    said_us: int
    fresh: Anomaly | None = None
    """The strongest finding of the window at hand."""


@dataclass(slots=True, kw_only=True)
class EpisodesState:
    """Everything a snapshot has to keep."""

    open: dict[Slot, _Episode] = field(default_factory=dict)
    left_out: int = 0
    schema: Literal[1] = 1


class Episodes:
    """The open anomalies of one series kind.

    ends_after_us: quiet time after which an anomaly has ended; a series that is gone is quiet.
    """

    def __init__(self, *, interval_us: int, ends_after_us: int) -> None:
        self._interval_us = interval_us
        self._ends_after_us = max(interval_us, ends_after_us)
        self.state = EpisodesState()

    @property
    def left_out(self) -> int:
        return self.state.left_out

    def is_open(self, slot: Slot) -> bool:
        return slot in self.state.open

    def begin(self, slot: Slot, found: Anomaly) -> None:
        """``found`` says when it started; nothing is open in the slot."""
        if len(self.state.open) >= MAX_OPEN:
            self.state.left_out += 1
            return
        self.state.open[slot] = _Episode(found, found.at_us, found.at_us - UPDATE_EVERY_US, found)

    def go_on(self, slot: Slot, found: Anomaly) -> None:
        """Something is open in the slot; the strongest finding of a window speaks for it."""
        episode = self.state.open[slot]
        episode.hit_us = found.at_us
        if episode.fresh is None or found.score > episode.fresh.score:
            episode.fresh = found

    def settle(self, end_us: int) -> Iterator[Anomaly]:
        """What is to be said once all detectors have seen the window that ends at ``end_us``."""
        for slot, episode in list(self.state.open.items()):
            found, episode.fresh = episode.fresh, None
            if found is not None:
                episode.anomaly = _continued(episode.anomaly, found)
                if end_us - episode.said_us >= UPDATE_EVERY_US:
                    episode.said_us = end_us
                    yield episode.anomaly.but(told_at_us=end_us)
            elif end_us - (episode.hit_us + self._interval_us) >= self._ends_after_us:
                del self.state.open[slot]
                ended_us = episode.hit_us + self._interval_us
                yield episode.anomaly.but(ended_at_us=ended_us, told_at_us=end_us)


def _continued(before: Anomaly, now: Anomaly) -> Anomaly:
    """``now`` under the identity of ``before``."""
    same = now if now.feature == before.feature else before.but(at_us=now.at_us, score=now.score)
    return same.but(
        id=before.id,
        started_at_us=before.started_at_us,
        peak_score=max(before.peak_score, now.score),
    )


def anomaly_id(series_id: str, what: str, started_at_us: int) -> str:
    """The same for the same finding, whoever computes it and how often."""
    text = f"{series_id}/{what}/{started_at_us}"
    return f"A-{blake2b(text.encode(), digest_size=6).hexdigest()}"
