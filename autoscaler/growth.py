"""Whether the last replicas added raised goodput; if not, more of them are no help."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from autoscaler.demand import PoolSecond
from streams.clock import SECOND_US

SPAN_S: Final = 60
"""Goodput is compared over a minute before and a minute after."""
SETTLE_S: Final = 5
SATURATED_RATIO: Final = 0.8
LEAST_GAIN_RATIO: Final = 0.2
"""Of the gain that the added replicas promised."""
HOLDS_S: Final = 300


@dataclass(frozen=True, slots=True)
class _Step:
    at_us: int
    before: int
    after: int


class GrowthWatch:
    """Looks at the last step up of the ready replicas while requests had to wait throughout.

    Where nothing waited before or after, goodput is what was asked for and proves nothing.
    """

    def __init__(self) -> None:
        self._step: _Step | None = None
        self._ready: int | None = None
        self._goodput: deque[tuple[int, int, bool]] = deque(maxlen=2 * SPAN_S + SETTLE_S + 30)
        self._verdict, self._until_us = "", 0

    def see(self, seconds: Sequence[PoolSecond]) -> None:
        """Take in new seconds, with ``ready`` filled in."""
        for second in seconds:
            if self._ready is not None and second.ready != self._ready:
                up = second.ready > self._ready
                self._step = _Step(second.window_us, self._ready, second.ready) if up else None
                self._verdict = ""
            self._ready = second.ready
            self._goodput.append((second.window_us, second.finished, second.queued >= 1))
            if self._step and second.window_us >= _end_us(self._step):
                self._judge(self._step)
                self._step = None

    def fruitless(self, now_us: int) -> str:
        """A sentence while growth is known to be fruitless, else empty."""
        return self._verdict if now_us < self._until_us else ""

    def _judge(self, step: _Step) -> None:
        after_us = step.at_us + SETTLE_S * SECOND_US
        before = self._rate(step.at_us - SPAN_S * SECOND_US, step.at_us)
        after = self._rate(after_us, _end_us(step))
        if before is None or after is None or before <= 0:
            return
        promised = before * (step.after - step.before) / max(1, step.before)
        if after - before < LEAST_GAIN_RATIO * promised:
            self._until_us = _end_us(step) + HOLDS_S * SECOND_US
            self._verdict = (
                f"going from {step.before} to {step.after} replicas brought {before:.3g} to "
                f"{after:.3g} requests/s while requests waited: more of them do not help"
            )

    def _rate(self, since_us: int, until_us: int) -> float | None:
        """Requests finished per second; None unless something waited nearly all the time."""
        rows = [row for row in self._goodput if since_us <= row[0] < until_us]
        waited = sum(row[2] for row in rows)
        if len(rows) < SATURATED_RATIO * SPAN_S or waited < SATURATED_RATIO * len(rows):
            return None
        return sum(row[1] for row in rows) / len(rows)


def _end_us(step: _Step) -> int:
    return step.at_us + (SETTLE_S + SPAN_S) * SECOND_US
