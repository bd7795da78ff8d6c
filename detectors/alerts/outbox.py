"""What a forgetful receiver must hear again: open alerts until they resolve, ends for a while."""

from dataclasses import dataclass
from typing import Final

from streams.clock import SECOND_US
from streams.schemas.incidents import Alert

MAX_STANDING: Final = 1_000
"""Beyond that the one that stands longest is no longer repeated."""
ENDS_REPEATED: Final = 5


@dataclass(frozen=True, slots=True)
class Standing:
    alert: Alert
    due_us: int
    left: int | None
    """How many times more; None is until further notice."""


class Outbox:
    """Delivered alerts by incident, each with the moment it is due again.

    resend_s: seconds between two tellings; None never repeats anything.
    """

    def __init__(self, resend_s: float | None) -> None:
        self._resend_us = None if resend_s is None else round(resend_s * SECOND_US)
        self._standing: dict[str, Standing] = {}

    def delivered(self, alert: Alert, now_us: int) -> None:
        if self._resend_us is None:
            return
        left = None if alert.status == "firing" else ENDS_REPEATED
        self._standing.pop(alert.incident, None)
        self._standing[alert.incident] = Standing(alert, now_us + self._resend_us, left)
        while len(self._standing) > MAX_STANDING:
            del self._standing[next(iter(self._standing))]

    def due_in_s(self, now_us: int) -> float | None:
        """Seconds until something is due; None when nothing will be."""
        first_us = min((s.due_us for s in self._standing.values()), default=None)
        return None if first_us is None else max(first_us - now_us, 0) / SECOND_US

    def take_due(self, now_us: int) -> list[Alert]:
        """What is due now, and put off until the next time."""
        due = [s for s in self._standing.values() if s.due_us <= now_us]
        for standing in due:
            name = standing.alert.incident
            left = None if standing.left is None else standing.left - 1
            if left == 0:
                del self._standing[name]
            else:
                next_us = now_us + (self._resend_us or 0)
                self._standing[name] = Standing(standing.alert, next_us, left)
        return [standing.alert for standing in due]
