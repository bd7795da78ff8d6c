"""Workers as processes that can be killed, frozen, woken, joined and sent away."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tidegate.settings import Settings
from tidegate.settings_file import write_settings

WORKER: Final = ("tidegate", "worker", "--stages")
GONE_S: Final = 10.0


@dataclass(slots=True)
class Worker:
    stage: str
    process: subprocess.Popen[bytes]
    frozen: bool = False

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@dataclass(slots=True)
class Crew:
    """The workers of one system.

    module: what `python -m` starts, with its arguments; the stage comes last.
    """

    folder: Path
    settings: Settings
    module: Sequence[str] = WORKER
    workers: list[Worker] = field(default_factory=list)

    def join(self, stage: str) -> Worker:
        config = self.folder / "settings.json"
        if not config.exists():
            write_settings(self.settings, config)
        log = self.folder / f"{stage}-{len(list(self.folder.glob('*.log')))}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", *self.module, stage],
                env={**os.environ, "TIDEGATE_CONFIG": str(config), "OMP_NUM_THREADS": "1"},
                stdout=out,
                stderr=out,
            )
        worker = Worker(stage, process)
        self.workers.append(worker)
        return worker

    def awake(self, stage: str) -> list[Worker]:
        return [one for one in self.workers if one.stage == stage and not one.frozen]

    def kill(self, worker: Worker) -> None:
        self.workers.remove(worker)
        worker.signal(signal.SIGKILL)
        worker.process.wait(GONE_S)

    def leave(self, worker: Worker) -> None:
        """In good order; it may take its time."""
        self.workers.remove(worker)
        worker.signal(signal.SIGTERM)
        try:
            worker.process.wait(GONE_S)
        except subprocess.TimeoutExpired:
            worker.signal(signal.SIGKILL)
            worker.process.wait(GONE_S)

    def freeze(self, worker: Worker) -> None:
        worker.frozen = True
        worker.signal(signal.SIGSTOP)

    def wake(self, worker: Worker) -> None:
        worker.frozen = False
        worker.signal(signal.SIGCONT)

    def ended(self) -> list[str]:
        """Workers that went without being asked."""
        return [one.stage for one in self.workers if one.process.poll() is not None]

    def end(self) -> None:
        for worker in self.workers:
            worker.signal(signal.SIGKILL)
        for worker in self.workers:
            worker.process.wait(GONE_S)
        self.workers.clear()
