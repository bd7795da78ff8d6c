"""Child processes: started in order, watched, and all gone afterwards."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from msgspec import structs

from streams.liveness import Standstill
from streams.log import get_logger
from streams.pulse import Pulse, read_pulse, write_pulse

log = get_logger(__name__)

_PR_SET_PDEATHSIG: Final = 1
STOP_S: Final = 8.0
GONE_S: Final = 2.0
PULSE_S: Final = 1.0
"""How often a child's pulse is felt."""
LONGEST_PAUSE_S: Final = 30.0
FORGET_S: Final = 600.0
"""A child that ran for this long may fail anew as if it never had."""
EXIT_SETTINGS: Final = 2
"""A child that ends with this code would do so again and again."""

Bury = Callable[[Pulse], Awaitable[None]]
"""Settles what a child has left that ended without being asked to."""


def die_with_parent() -> None:
    """Called in the child before exec: SIGTERM when the parent goes, however it goes (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Child:
    """One process under supervision; ``restarts`` counts unexpected ends."""

    name: str
    argv: Sequence[str]
    log: Path
    pulse: Path | None = None
    """File in which it shows that it lives, if it does."""
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    ended: list[int] = field(default_factory=list)
    """Return codes of unexpected ends, negative for a signal."""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    """When they were, as far as they still count."""

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def last_words(self, lines: int = 5) -> str:
        try:
            text = self.log.read_text(errors="replace").strip()
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


class Supervisor:
    """Starts children in sessions of their own, restarts one that ends, stops all in reverse.

    A child that ends by itself is started again after 1, 2, 4 ... 30 s. Where its settings are
    wrong, or it ended more than ``max_restarts`` times within ten minutes, it stays down and
    ``failed`` names it. One whose pulse stands still for ``frozen_after_s`` is killed first.

    own_logs: each child writes to ``<folder>/<name>.log``; otherwise to our own standard error.
    bury: called with the last pulse of a child that has ended by itself, before the next start.
    """

    def __init__(  # noqa: PLR0913  # all that is the same for all children
        self,
        folder: Path,
        env: Mapping[str, str],
        *,
        max_restarts: float = 5,
        own_logs: bool = True,
        frozen_after_s: float = 30.0,
        bury: Bury | None = None,
    ) -> None:
        self.folder = folder
        self.children: dict[str, Child] = {}
        self.failed: list[str] = []
        self.gave_up = asyncio.Event()
        self._env = dict(env)
        self._own_logs = own_logs
        self._max_restarts = max_restarts
        self._frozen_after_s = frozen_after_s
        self._bury = bury
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    async def start(self, name: str, argv: Sequence[str], *, pulse: Path | None = None) -> Child:
        child = Child(name, argv, self.folder / f"{name}.log", pulse)
        self.children[name] = child
        await self._spawn(child)
        self._watchers[name] = asyncio.create_task(self._watch(child), name=f"watch {name}")
        return child

    def pids(self) -> dict[int, str]:
        """Process id -> name of each child that runs."""
        return {child.pid: child.name for child in self.children.values() if child.running}

    def last_words(self) -> list[str]:
        """A line for each child that ended by itself."""
        return [
            f"{child.name} ended with code {child.ended[-1]}: {child.last_words()}"
            for child in self.children.values()
            if child.ended
        ]

    async def stop(self) -> None:
        """Stop all, newest first: SIGTERM, then SIGKILL to whole process groups after 8 s."""
        self._stopping = True
        for watcher in self._watchers.values():
            watcher.cancel()
        descendants = [d for child in self.children.values() for d in _descendants(child.pid)]
        for child in reversed(list(self.children.values())):
            _signal_group(child, signal.SIGTERM, whole=False)
        alive = [c for c in self.children.values() if c.running]
        waits = [asyncio.create_task(c.process.wait()) for c in alive if c.process]
        if waits:
            await asyncio.wait(waits, timeout=STOP_S)
        for child in self.children.values():
            # Also where the child itself is gone: what it started must not stay behind.
            _signal_group(child, signal.SIGKILL, whole=True)
        await asyncio.gather(*waits)
        await asyncio.to_thread(psutil.wait_procs, descendants, GONE_S)

    async def _spawn(self, child: Child) -> None:
        with contextlib.ExitStack() as files:
            out = files.enter_context(child.log.open("ab")) if self._own_logs else None
            child.process = await asyncio.create_subprocess_exec(
                *child.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._env,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    async def _watch(self, child: Child) -> None:
        while child.process is not None:
            code = await self._end_of(child, child.process)
            if self._stopping:
                return
            child.ended.append(code)
            log.warning("child_ended", name=child.name, code=code, restarts=child.restarts)
            if child.pulse is not None and self._bury is not None:
                await self._bury(read_pulse(child.pulse))
            pause_s = self._pause_s(child, asyncio.get_running_loop().time())
            if pause_s is None:
                self.failed.append(child.name)
                self.gave_up.set()
                return
            await asyncio.sleep(pause_s)
            child.restarts += 1
            await self._spawn(child)

    async def _end_of(self, child: Child, process: asyncio.subprocess.Process) -> int:
        """Its return code, once it has ended, or had to be ended."""
        ending = asyncio.create_task(process.wait())
        still = Standstill()
        while not (await asyncio.wait([ending], timeout=PULSE_S))[0]:
            if child.pulse is None:
                continue
            pulse = read_pulse(child.pulse)
            now_s = asyncio.get_running_loop().time()
            stood_s = still.see(now_s, pulse.beats, busy=True)
            if stood_s >= self._frozen_after_s and not self._stopping:
                log.error("child_frozen", name=child.name, pid=process.pid, for_s=round(stood_s))
                process.kill()
                await ending
                write_pulse(child.pulse, structs.replace(pulse, hangs=pulse.hangs + 1))
        return ending.result()

    def _pause_s(self, child: Child, now_s: float) -> float | None:
        """How long to wait before the next start; None: no more."""
        while child.recent and child.recent[0] < now_s - FORGET_S:
            child.recent.popleft()
        lately = len(child.recent)
        child.recent.append(now_s)
        if lately >= self._max_restarts or child.ended[-1] == EXIT_SETTINGS:
            return None
        return min(2.0**lately, LONGEST_PAUSE_S)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True) if pid else []
    except psutil.NoSuchProcess:
        return []


def _signal_group(child: Child, number: signal.Signals, *, whole: bool) -> None:
    if child.process is None:
        return
    try:
        if whole:
            os.killpg(child.process.pid, number)
        elif child.running:
            child.process.send_signal(number)
    except (ProcessLookupError, PermissionError):
        return
