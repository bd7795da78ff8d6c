"""A thread beside the event loop: it sees when the stage hangs, and ends the process."""

import faulthandler
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from streams import metrics
from streams.liveness import Judge, Verdict
from streams.log import get_logger
from streams.pulse import PulseWriter
from streams.vitals import Vitals

log = get_logger(__name__)

LOOK_S: Final = 1.0
EXIT_STUCK: Final = 3
STDERR: Final = 2


class Watchdog:
    """Judges a stage every second from outside its loop, which may be what hangs.

    pulse: file for a supervisor, written anew every second and whenever there is news.
    end: called with a sentence when the stage is stuck; does not return in a real process.
    """

    def __init__(
        self,
        vitals: Vitals,
        *,
        stuck_after_s: float,
        pulse: Path | None,
        end: Callable[[str], None],
    ) -> None:
        self.verdict = Verdict()
        self._vitals = vitals
        self._judge = Judge(stuck_after_s)
        self._pulse = PulseWriter(pulse, vitals) if pulse else None
        self._end = end
        self._over = False
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        if self._pulse is not None:
            metrics.RESTARTS.labels(self._vitals.stage).inc(self._pulse.starts - 1)
            metrics.HANGS.labels(self._vitals.stage).inc(self._pulse.hangs)
        self._thread.start()

    def stop(self) -> None:
        """The stage has ended in good order: what stands still from now on is no concern."""
        self._over = True
        self._vitals.changed.set()
        self._thread.join(2 * LOOK_S)

    def look(self, now_s: float) -> None:
        """Judge once, say so in the pulse, and end what is stuck."""
        vitals = self._vitals
        vitals.changed.clear()
        self.verdict = self._judge.verdict(now_s, vitals.beats, vitals.copy_of_parts())
        stuck = self.verdict.state == "stuck"
        self._show_pulse(hung=stuck)
        if stuck:
            self._end(f"{vitals.stage}: {self.verdict.why}; it is ended, to be started again")

    def _show_pulse(self, *, hung: bool) -> None:
        if self._pulse is None:
            return
        try:
            self._pulse.write(hung=hung)
        except OSError as exc:
            log.warning("pulse_not_written", stage=self._vitals.stage, error=str(exc))

    def _run(self) -> None:
        while not self._over:
            self.look(time.monotonic())
            self._vitals.changed.wait(LOOK_S)


def end_process(why: str) -> None:
    """The last word, where each thread stood, and the end: nothing in here can be trusted."""
    # Not through the loggers: whoever hangs may hold their locks.
    os.write(STDERR, f"tidegate {why}\n".encode())
    faulthandler.dump_traceback(STDERR, all_threads=True)
    os._exit(EXIT_STUCK)
