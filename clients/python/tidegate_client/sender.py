"""From the buffer by way of the backlog to the broker, one step at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Callable, Final, NamedTuple

from tidegate_client.backlog import Backlog, Frame
from tidegate_client.backoff import pause_s
from tidegate_client.buffer import Buffer
from tidegate_client.complaints import Complaints
from tidegate_client.link import Link, OpenLink, Outcome
from tidegate_client.packing import Packer
from tidegate_client.tally import Tally

_OVERDUE_S: Final = 30.0
"""kafka-python ends every send in 10 s; should its thread have died, we go on all the same."""


class Parts(NamedTuple):
    """What a sender works with."""

    buffer: Buffer
    backlog: Backlog
    packer: Packer
    open_link: OpenLink
    tally: Tally
    complaints: Complaints
    chance: Callable[[], float]


class Sender:
    """Frames leave in order, and stay in the backlog until the broker has them.

    ``step`` belongs to one thread; ``finish`` may come from another at any time.
    """

    def __init__(self, parts: Parts, *, linger_s: float, done: Callable[[], None]) -> None:
        self._parts = parts
        self._linger_s = linger_s
        self._done = done
        self._lock = threading.Lock()
        self._finished = False
        self._link: Link | None = None
        self._flight: list[tuple[Frame, Outcome]] = []
        self._failures = 0
        self._not_before = self._pack_at = self._overdue_at = 0.0

    @property
    def finished(self) -> bool:
        return self._finished

    def hurry(self) -> None:
        """Let the next step neither gather records nor wait after a failure."""
        self._not_before = self._pack_at = 0.0

    def step(self, now: float) -> float:
        """Do what can be done at ``now``, in seconds; returns how long the next step has time."""
        with self._lock:
            self._settle(now)
            if now >= self._pack_at or self._parts.buffer.has_batch():
                self._pack_at = now + self._linger_s
                self._pack()
            ready = now >= self._not_before and not (self._flight or self._finished)
            frames = self._parts.backlog.head() if ready else ()
        if frames:
            self._launch(frames, now)
        return max(0.01, self._pack_at - now)

    def finish(self) -> None:
        """Spool what is left, or count it as dropped; nothing is sent after this."""
        with self._lock:
            self._settle(self._overdue_at)
            self._finished = True
            parts = self._parts
            self._pack()
            for topic in parts.buffer.topics():
                while rows := parts.buffer.take(topic):
                    parts.tally.drop("closed", len(rows))
            parts.backlog.close()
            self._hang_up()

    def abandon(self) -> None:
        """In a forked child: all of it is the parent's."""
        self._parts.backlog.abandon()
        if self._link is not None:
            self._link.abandon()

    def _pack(self) -> None:
        buffer, backlog = self._parts.buffer, self._parts.backlog
        for topic in buffer.topics():
            while backlog.has_room() and (rows := buffer.take(topic)):
                for frame in self._parts.packer.frames(topic, rows):
                    backlog.put(frame)

    def _launch(self, frames: Sequence[Frame], now: float) -> None:
        """Connecting may take seconds, and nobody else shall wait for that."""
        try:
            if self._link is None:
                self._link = self._parts.open_link()
            self._link.prepare({frame.topic for frame in frames})
            with self._lock:
                if self._finished:
                    self._hang_up()
                    return
                for frame in frames:
                    self._flight.append((frame, self._link.send(frame, self._done)))
                self._overdue_at = now + _OVERDUE_S
        except Exception as exc:  # noqa: BLE001  the thread must outlive whatever a broker does
            self._fail(exc, now)

    def _settle(self, now: float) -> None:
        """Once all that were on the way have an outcome."""
        flight = self._flight
        if not flight or (now < self._overdue_at and not all(way.done for _, way in flight)):
            return
        self._flight = []
        for frame, way in flight:
            if way.done and way.error is None:
                if self._parts.backlog.remove(frame):
                    self._parts.tally.send(frame.records)
            elif way.refused:
                self._refused(frame, way.error)
        failed = [way.error or TimeoutError("no answer") for _, way in flight if self._lost(way)]
        if failed:
            self._fail(failed[0], now)
        else:
            self._failures = 0
            self._parts.complaints.mended("broker", "the broker takes telemetry again")

    @staticmethod
    def _lost(way: Outcome) -> bool:
        return not way.done or (way.error is not None and not way.refused)

    def _refused(self, frame: Frame, error: object) -> None:
        if self._parts.backlog.remove(frame):
            self._parts.tally.drop("refused", frame.records)
        said = f"the broker refuses records of {frame.topic} ({error}); they are dropped"
        self._parts.complaints.complain(f"refused {frame.topic}", said)

    def _fail(self, error: BaseException, now: float) -> None:
        """The outcome of all that was on the way is unknown: it goes again, with another link."""
        self._flight = []
        self._failures += 1
        self._parts.tally.fail()
        self._not_before = now + pause_s(self._failures, self._parts.chance())
        said = f"cannot send telemetry ({error}); trying again, what is too much is dropped"
        self._parts.complaints.complain("broker", said)
        self._hang_up()

    def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()
