"""The one place that reads the clock."""

import time
from collections.abc import Callable
from typing import Final

Clock = Callable[[], int]
"""Microseconds since 1970-01-01 UTC."""

SECOND_US: Final = 1_000_000


def system_clock() -> int:
    return time.time_ns() // 1_000


class ManualClock:
    """A clock that moves only when told to.

    >>> clock = ManualClock(5 * SECOND_US)
    >>> clock.advance(1.5)
    >>> clock()
    6500000
    """

    def __init__(self, now_us: int = 0) -> None:
        self._now_us = now_us

    def __call__(self) -> int:
        return self._now_us

    def advance(self, seconds: float) -> None:
        self._now_us += round(seconds * SECOND_US)
