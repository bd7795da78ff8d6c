"""Child processes: started in order, watched, and all gone afterwards."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

_PR_SET_PDEATHSIG: Final = 1
STOP_S: Final = 8.0
GONE_S: Final = 2.0


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
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    ended: list[int] = field(default_factory=list)
    """Return codes of unexpected ends, negative for a signal."""

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

    A child that ends by itself is started again after 1, 2, 4 ... 30 s; ``max_restarts`` within
    one run, then it stays down and ``failed`` names it. ``own_logs``: each child writes to
    ``<folder>/<name>.log``; otherwise to our own standard error.
    """

    def __init__(
        self, folder: Path, env: Mapping[str, str], *, max_restarts: int = 5, own_logs: bool = True
    ) -> None:
        self.folder = folder
        self.children: dict[str, Child] = {}
        self.failed: list[str] = []
        self.gave_up = asyncio.Event()
        self._env = dict(env)
        self._own_logs = own_logs
        self._max_restarts = max_restarts
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    async def start(self, name: str, argv: Sequence[str]) -> Child:
        child = Child(name, argv, self.folder / f"{name}.log")
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
            code = await child.process.wait()
            if self._stopping:
                return
            child.ended.append(code)
            if child.restarts >= self._max_restarts:
                self.failed.append(child.name)
                self.gave_up.set()
                return
            await asyncio.sleep(min(2.0**child.restarts, 30.0))
            child.restarts += 1
            await self._spawn(child)


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
