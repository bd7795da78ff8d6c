"""What became of everything that was emitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Counters(NamedTuple):
    """Once a client is closed, emitted + adopted = sent + spooled + the sum of dropped.

    Before that, what is missing waits in memory. All but ``frames`` and ``failures`` count records.
    """

    emitted: int
    adopted: int
    """Found on disk, left there by a process that has ended."""
    sent: int
    """The broker has them."""
    waiting: int
    """In memory: emitted and not yet sent, spooled or dropped."""
    spooled: int
    """On disk."""
    dropped: Mapping[str, int]
    """Why -> how many.

    full: memory was. unfit: Tidegate could not read them. refused: by the broker, for good.
    spool_full, spool_failed: no room on disk; it could not be written or read. closed: too late.
    """
    frames: int
    """Frames that the broker has."""
    failures: int
    """How often sending or connecting failed."""
