"""All that belongs to one process: boot id, buffer, thread; a forked child gets its own."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Callable, NamedTuple

from tidegate_client.backlog import Backlog, InMemory
from tidegate_client.buffer import Buffer
from tidegate_client.complaints import Complaints
from tidegate_client.frames import Identity
from tidegate_client.link import Link
from tidegate_client.packing import Packer
from tidegate_client.records import Row
from tidegate_client.sender import Parts, Sender
from tidegate_client.settings import Settings
from tidegate_client.tally import Tally


class World(NamedTuple):
    """What a client asks of the world around it."""

    open_link: Callable[[Settings], Link]
    now_us: Callable[[], int]
    """Microseconds since 1970, UTC."""
    monotonic_s: Callable[[], float]
    boot: Callable[[], str]
    """A word never returned before."""
    chance: Callable[[], float]
    """From 0 to 1."""


class Session:
    """Takes rows at once; its thread, started with the first of them, does the rest."""

    def __init__(self, settings: Settings, world: World, complaints: Complaints) -> None:
        self.tally = Tally()
        self.complaints = complaints
        self._settings = settings
        self._world = world
        self._buffer = Buffer(
            self.tally, limit=settings.buffer_records, batch=settings.batch_records
        )
        self._wake = threading.Event()
        self._moved = threading.Condition()
        self._begin = threading.Lock()
        self._closed = False
        self._sender: Sender | None = None
        self._thread: threading.Thread | None = None

    def put(self, topic: str, row: Row) -> bool:
        if self._closed:
            with self.tally.lock:
                self.tally.emitted += 1
                self.tally.dropped["closed"] += 1
            return False
        if self._buffer.put(topic, row):
            self._wake.set()
        if self._thread is None:
            self._start()
        return True

    def flush(self, timeout_s: float) -> bool:
        """Whether all that had been emitted left memory in time."""
        if self._sender is None:
            return True
        goal = self.tally.arrived()
        self._sender.hurry()
        self._wake.set()
        with self._moved:
            return self._moved.wait_for(lambda: self.tally.settled() >= goal, timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Flush, then spool or drop what is left; again does nothing."""
        with self._begin:
            closed, self._closed = self._closed, True
        if closed or self._sender is None:
            return True
        flushed = self.flush(timeout_s)
        self._sender.finish()
        self._wake.set()
        return flushed

    def abandon(self) -> None:
        """In a forked child: nothing here may be used any more."""
        if self._sender is not None:
            self._sender.abandon()

    def _start(self) -> None:
        with self._begin:
            if self._thread is not None or self._closed:
                return
            self._sender = self._new_sender()
            self._thread = threading.Thread(target=self._run, name="tidegate-client", daemon=True)
            self._thread.start()

    def _new_sender(self) -> Sender:
        who = Identity(self._settings.producer, self._world.boot())
        complain = self.complaints.complain
        parts = Parts(
            buffer=self._buffer,
            backlog=self._new_backlog(who),
            packer=Packer(who, self.tally, complain),
            open_link=lambda: self._world.open_link(self._settings),
            tally=self.tally,
            complaints=self.complaints,
            chance=self._world.chance,
        )
        return Sender(parts, linger_s=self._settings.linger_s, done=self._wake.set)

    def _new_backlog(self, who: Identity) -> Backlog:
        if not self._settings.spool_dir:
            return InMemory(self.tally)
        from tidegate_client.spool import Spool  # noqa: PLC0415  there is no fcntl on Windows

        return Spool(
            Path(self._settings.spool_dir),
            who.boot,
            max_bytes=self._settings.spool_bytes,
            tally=self.tally,
            complain=self.complaints.complain,
        )

    def _run(self) -> None:
        assert self._sender is not None  # noqa: S101
        pause_s = self._settings.linger_s
        while not self._sender.finished:
            self._wake.wait(pause_s)
            self._wake.clear()
            try:
                pause_s = self._sender.step(self._world.monotonic_s())
            except Exception as exc:  # noqa: BLE001  a guest must not die and be missed by nobody
                self.complaints.complain("fault", f"a fault of tidegate-client: {exc!r}")
            with self._moved:
                self._moved.notify_all()
