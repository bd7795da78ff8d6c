"""What a peer is told on its command line, and what it says: `ready`, `done`, and its windows.

Run in an environment that does not have Tidegate: nothing of ours may be imported here.
"""

import math
import os
import sys
from typing import Any

import msgspec

GROWTH = 101 / 99
"""Of the buckets of the histogram: quantiles within 1 %."""
_PER_LOG = 1 / math.log(GROWTH)


class Task(msgspec.Struct, frozen=True):
    """Where to read and when it is finished; ``python PEER.py '{"bootstrap": …}'``."""

    bootstrap: str
    topic: str
    partitions: int
    warm: int
    """Messages that are there from the start; after them the peer is ready."""
    totals: str
    """File with messages and events in all; written once the peer is ready, while it is frozen."""
    out: str
    """File for the windows."""


class Finished(msgspec.Struct, gc=False):
    """The fields that the windows need of one event."""

    at_us: int
    model: str
    duration_s: float


def task() -> Task:
    return msgspec.json.decode(sys.argv[1], type=Task)


def bucket_of(value_us: int) -> int:
    return math.ceil(math.log(value_us) * _PER_LOG) if value_us > 1 else value_us


class Report:
    """Counts what came in and what went out in windows."""

    def __init__(self, given: Task) -> None:
        self._task = given
        self._seen = 0
        self._in_windows = 0
        self._messages = self._events = sys.maxsize
        self._windows: list[tuple[str, int, int, int]] = []

    def seen(self, count: int) -> bool:
        """Whether these messages were the last."""
        before, self._seen = self._seen, self._seen + count
        if before < self._task.warm <= self._seen:
            _say("ready")
        elif before == self._task.warm < self._seen:
            with open(self._task.totals, "rb") as file:  # noqa: PTH123
                self._messages, self._events = msgspec.json.decode(file.read())
        return self._seen >= self._messages

    def window(self, model: str, second: int, count: int, sum_us: int) -> None:
        """One final window; the last of them ends the run."""
        self._windows.append((model, second, count, sum_us))
        self._in_windows += count
        if self._in_windows >= self._events:
            self.end()

    def end(self) -> None:
        """Say so, wait to be measured, write down the windows and leave, whatever threads run."""
        _say("done")
        sys.stdin.readline()
        with open(self._task.out, "wb") as file:  # noqa: PTH123  a script without our packages
            file.write(msgspec.json.encode(self._windows))
        os._exit(0)


class Sums:
    """Count, sum and log histogram per (model, second) in plain Python."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], list[Any]] = {}

    def add(self, event: Finished) -> None:
        key = (event.model, event.at_us // 1_000_000)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = [0, 0, {}]
        value_us = round(event.duration_s * 1e6)
        fold(row, value_us)

    def give(self, report: Report) -> None:
        for (model, second), (count, sum_us, _) in self._rows.items():
            report.window(model, second, count, sum_us)


def fold(row: list[Any], value_us: int) -> list[Any]:
    """Take one value into [count, sum, buckets]."""
    row[0] += 1
    row[1] += value_us
    bucket = bucket_of(value_us)
    row[2][bucket] = row[2].get(bucket, 0) + 1
    return row


def _say(word: str) -> None:
    os.write(1, word.encode() + b"\n")  # Faust turns what is printed into log lines.
