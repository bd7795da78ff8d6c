"""Losses of a pool's replicas in, whether another may be started out."""

from collections import deque
from typing import Final

from streams.clock import SECOND_US

WINDOW_S: Final = 120.0
MOST: Final = 5
"""So many losses within two minutes, and nothing is started until the oldest is out of it."""
STEADY_S: Final = 30.0
"""A replica that was ready this long was no failed start."""
LONGEST_PAUSE_S: Final = 30.0


class CrashLoop:
    """Holds starts back after replicas that did not last: 0, 2, 4, 8 s and so on.

    A single loss is replaced at once.

    >>> crashes = CrashLoop()
    >>> crashes.lost(0, ready_for_s=600)
    >>> crashes.may_start(0)
    True
    >>> for _ in range(2):
    ...     crashes.lost(1_000_000, ready_for_s=0)
    >>> crashes.may_start(2_000_000), crashes.may_start(3_000_000)
    (False, True)
    """

    def __init__(self) -> None:
        self._lost_us: deque[int] = deque(maxlen=MOST)
        self._in_a_row = 0
        self._why = ""
        self._told = ""

    def lost(self, at_us: int, ready_for_s: float) -> None:
        """A replica ended without being told to, after being ready for so long."""
        self._lost_us.append(at_us)
        self._in_a_row = self._in_a_row + 1 if ready_for_s < STEADY_S else 0

    def may_start(self, now_us: int) -> bool:
        recent = [at_us for at_us in self._lost_us if now_us - at_us < WINDOW_S * SECOND_US]
        if not recent:
            self._in_a_row = 0
        pause_s = min(LONGEST_PAUSE_S, 2.0 ** (self._in_a_row - 1)) if self._in_a_row > 1 else 0.0
        if len(recent) >= MOST:
            self._why = f"because {MOST} replicas were lost within {WINDOW_S:g} s"
            return False
        if recent and now_us - recent[-1] < pause_s * SECOND_US:
            self._why = (
                f"waiting {pause_s:g} s because {self._in_a_row} starts in a row did not last"
            )
            return False
        self._why = self._told = ""
        return True

    def news(self) -> str:
        """Why nothing is started, if that was not said before."""
        if self._why == self._told:
            return ""
        self._told = self._why
        return self._why
