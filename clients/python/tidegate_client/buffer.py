"""Rows wait here for the thread that sends them; when there are too many, the oldest go."""

from __future__ import annotations

from collections import deque

from tidegate_client.fields import FIELDS
from tidegate_client.records import Row
from tidegate_client.tally import Tally


class Buffer:
    """At most ``limit`` rows of each topic. The oldest go first: windows wait for new ones only."""

    def __init__(self, tally: Tally, *, limit: int, batch: int) -> None:
        self._tally = tally
        self._lock = tally.lock
        self._limit = limit
        self._batch = batch
        self._rows: dict[str, deque[Row]] = {topic: deque() for topic in FIELDS}

    def put(self, topic: str, row: Row) -> bool:
        """Whether there is now just another whole batch of them."""
        rows = self._rows[topic]
        with self._lock:
            self._tally.emitted += 1
            if len(rows) >= self._limit:
                rows.popleft()
                self._tally.dropped["full"] += 1
            rows.append(row)
            return len(rows) % self._batch == 0

    def take(self, topic: str) -> list[Row]:
        """The oldest rows, a batch at most."""
        rows = self._rows[topic]
        with self._lock:
            return [rows.popleft() for _ in range(min(self._batch, len(rows)))]

    def has_batch(self) -> bool:
        return any(len(rows) >= self._batch for rows in self._rows.values())

    def topics(self) -> list[str]:
        """Those that something waits for."""
        return [topic for topic, rows in self._rows.items() if rows]
