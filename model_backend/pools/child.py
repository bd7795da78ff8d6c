"""One replica process: how far it has come, and what is known of it."""

import asyncio
import signal
from dataclasses import dataclass
from typing import Final

from streams.clock import SECOND_US
from streams.log import get_logger
from streams.schemas.scaling import ReplicaState

PHASES: Final = ("schedule", "image", "weights")

log = get_logger(__name__)


@dataclass(slots=True)
class Child:
    """One replica process and what is known of it."""

    name: str
    process: asyncio.subprocess.Process
    address: str
    ordered_at_us: int
    spawned_at_us: int
    answered_at_us: int = 0
    """Its program answered for the first time, if only that it is loading."""
    state: ReplicaState = "starting"
    since_us: int = 0
    reason: str = ""
    healthy_at_us: int = 0
    ready_at_us: int = 0
    checked_at_us: int = 0
    told_to_stop_at_us: int | None = None
    check: "asyncio.Task[int] | None" = None
    turning: "asyncio.Task[None] | None" = None
    """While it falls asleep (``draining``) or wakes (``starting``)."""
    woken_s: float | None = None
    """How long it took to wake, of one that was asleep."""

    def becomes(self, state: ReplicaState, now_us: int, reason: str = "") -> None:
        self.state, self.since_us, self.reason = state, now_us, reason
        log.info("replica", replica=self.name, state=state, reason=reason)

    @property
    def phases_s(self) -> dict[str, float]:
        """Empty until it is ready."""
        if self.woken_s is not None:
            return {"wake": self.woken_s}
        ends_us = (self.spawned_at_us, self.answered_at_us, self.ready_at_us)
        starts_us = (self.ordered_at_us, *ends_us)
        spans = zip(PHASES, starts_us, ends_us, strict=False) if self.ready_at_us else ()
        return {phase: (end_us - start_us) / SECOND_US for phase, start_us, end_us in spans}

    @property
    def ended(self) -> bool:
        return self.state in {"failed", "stopped"}


def send(child: Child, number: signal.Signals) -> None:
    if child.process.returncode is None:
        try:
            child.process.send_signal(number)
        except ProcessLookupError:
            log.debug("already_ended", replica=child.name)


def ending(process: asyncio.subprocess.Process) -> str:
    code = process.returncode
    assert code is not None  # noqa: S101 - asked only once it has ended
    return f"ended with signal {-code}" if code < 0 else f"ended with exit code {code}"
