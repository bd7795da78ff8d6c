"""Jobs that may wait in, the slots in which all of them end by their deadline out. Pure."""

from collections import deque
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from autoscaler.demand import PoolSecond
from streams.clock import SECOND_US

STEPS: Final = 200
"""Jobs that came within a 200th of the time they have are due together."""
MOST_STEPS: Final = 1_000
AIM_RATIO: Final = 0.8
"""Of the time they have: jobs differ, and replicas fail."""
AGREE_S: Final = 10
"""Gauges that differ from what was counted for so long are right."""
UNKNOWN: Final = 0
"""When those came of whom only gauges tell."""


@dataclass(frozen=True, slots=True)
class Urgent:
    """The jobs that call for the most slots, by those due first, and by when they have to end."""

    slots: float = 0.0
    jobs: int = 0
    within_s: float = 0.0


class Backlog:
    """Jobs that have not ended, by when they came; who came first is taken to end first.

    Earliest deadline first meets every deadline if for each of them the work due by then has room
    before it: ``slots = max over deadlines of due * service / (left - service)``, since ``slots``
    in a row end a list of jobs at most one service time late (Graham's bound). It spreads work
    evenly over the time there is, and so needs the fewest slots at once.

    Jobs that gauges hold but nobody saw coming are due at once: nobody knows how long they waited.
    Before the first has ended, each is taken to last as long as that one is being served.
    """

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._step_us = max(SECOND_US, round(deadline_s * SECOND_US / STEPS))
        self._came: deque[tuple[int, int]] = deque()
        self._more: deque[int] = deque(maxlen=AGREE_S)
        self._served_us: int | None = None

    def see(self, second: PoolSecond) -> None:
        if second.arrived:
            self._add(second.window_us, second.arrived)
        if second.in_flight and self._served_us is None:
            self._served_us = second.window_us
        self._end(second.finished + second.failed + second.cancelled + second.shed)
        if second.gauged:
            self._agree(round(second.queued + second.in_flight))

    def urgent(self, now_us: int, *, service_s: float, lead_s: float) -> Urgent:
        """service_s: 0 if none has ended; lead_s: more replicas come that late."""
        if not service_s:
            began_us = now_us if self._served_us is None else self._served_us
            service_s = max(1.0, (now_us - began_us) / SECOND_US)
        totals = accumulate(count for _, count in self._came)
        dues = (self._due(came_us, now_us) - lead_s for came_us, _ in self._came)
        return max(
            (
                Urgent(
                    jobs * service_s / max(service_s, left_s - service_s), jobs, max(0.0, left_s)
                )
                for jobs, left_s in zip(totals, dues, strict=True)
            ),
            key=lambda one: one.slots,
            default=Urgent(),
        )

    def _due(self, came_us: int, now_us: int) -> float:
        """Seconds left of those that are aimed at."""
        if came_us == UNKNOWN:
            return 0.0
        return AIM_RATIO * self._deadline_s - (now_us - came_us) / SECOND_US

    def _add(self, came_us: int, count: int) -> None:
        if self._came and came_us - self._came[-1][0] < self._step_us:
            came_us, others = self._came.pop()
            count += others
        self._came.append((came_us, count))
        if len(self._came) > MOST_STEPS:  # long overdue, all of them
            (came_us, count), (_, others) = self._came.popleft(), self._came.popleft()
            self._came.appendleft((came_us, count + others))

    def _end(self, count: int) -> None:
        while count > 0 and self._came:
            came_us, there = self._came.popleft()
            if there > count:
                self._came.appendleft((came_us, there - count))
            count -= there

    def _agree(self, held: int) -> None:
        self._more.append(held - sum(count for _, count in self._came))
        if len(self._more) < AGREE_S:
            return
        if (missing := min(self._more)) > 0:
            self._came.appendleft((UNKNOWN, missing))
            self._more.clear()
        elif (gone := -max(self._more)) > 0:
            self._end(gone)
            self._more.clear()
