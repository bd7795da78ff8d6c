"""Counts what becomes of records, exactly, whoever counts in whichever thread."""

from __future__ import annotations

import threading
from collections import Counter
from collections import Counter as CounterOf

from tidegate_client.counters import Counters


class Tally:
    """Numbers under one lock. It may be taken again by its holder: a signal can come any time."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.emitted = self.adopted = self.spooled = self.sent = self.frames = self.failures = 0
        self.dropped: CounterOf[str] = Counter()

    def unfit(self) -> None:
        with self.lock:
            self.emitted += 1
            self.dropped["unfit"] += 1

    def drop(self, reason: str, count: int) -> None:
        if count:
            with self.lock:
                self.dropped[reason] += count

    def spool(self, count: int) -> None:
        """So many more records on disk; fewer, if it is negative."""
        with self.lock:
            self.spooled += count

    def adopt(self, count: int) -> None:
        with self.lock:
            self.adopted += count
            self.spooled += count

    def send(self, count: int) -> None:
        with self.lock:
            self.sent += count
            self.frames += 1

    def fail(self) -> None:
        with self.lock:
            self.failures += 1

    def arrived(self) -> int:
        """How many records have ever been ours."""
        with self.lock:
            return self.emitted + self.adopted

    def settled(self) -> int:
        """How many of those are not in memory any more."""
        with self.lock:
            return self.sent + self.spooled + sum(self.dropped.values())

    def counters(self) -> Counters:
        with self.lock:
            return Counters(
                emitted=self.emitted,
                adopted=self.adopted,
                sent=self.sent,
                waiting=self.arrived() - self.settled(),
                spooled=self.spooled,
                dropped=dict(self.dropped),
                frames=self.frames,
                failures=self.failures,
            )
