"""The processes of one contender: started, frozen, thawed, measured and stopped as one."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from streams.errors import TidegateError
from tidegate.supervisor import die_with_parent

STOP_S: Final = 10.0


class ContenderError(TidegateError):
    """A contender ended or hung; the message holds the end of its log."""


class Processes:
    """Standard error goes to ``log``; standard output of each is read by whoever started it."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._children: list[asyncio.subprocess.Process] = []

    async def start(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        with self._log.open("ab") as log:
            child = await asyncio.create_subprocess_exec(
                *argv,
                env={**os.environ, **(env or {})},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        self._children.append(child)
        return child

    async def stop(self) -> None:
        """Stopped nicely, or else killed; also the frozen ones."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        for child in self._children:
            try:
                await asyncio.wait_for(child.wait(), STOP_S)
            except TimeoutError:
                child.kill()
                await child.wait()

    def signal(self, number: signal.Signals, *, first: int | None = None) -> None:
        """To all, or only to those started first."""
        for child in self._children[:first]:
            if child.returncode is None:
                child.send_signal(number)

    def cpu_s(self) -> float:
        """User and system time of all of them and their children so far."""
        times = [process.cpu_times() for process in self._tree()]
        return float(sum(time.user + time.system for time in times))

    def rss_bytes(self) -> int:
        return sum(process.memory_info().rss for process in self._tree())

    def failed(self, what: str) -> ContenderError:
        tail = self._log.read_text(errors="replace").splitlines()[-12:]
        return ContenderError("\n".join([what, *tail]))

    def _tree(self) -> list[psutil.Process]:
        parents = [psutil.Process(child.pid) for child in self._children]
        return [each for one in parents for each in (one, *one.children(recursive=True))]
