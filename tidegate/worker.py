"""`tidegate worker`: one stage in this process, or several as supervised children."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tidegate.settings import Settings
from tidegate.supervisor import Supervisor
from tidegate.wiring import run_stage


def run(stages: Sequence[str], settings: Settings, metrics_port: int) -> int:
    """The exit code. A stage that hangs must not stop another: each has a process of its own."""
    if len(stages) == 1:
        return run_stage(stages[0], settings, metrics_port)
    return asyncio.run(_supervise(stages, metrics_port))


async def _supervise(stages: Sequence[str], metrics_port: int) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="tidegate-worker-") as folder:
        supervisor = Supervisor(Path(folder), dict(os.environ), own_logs=False)
        try:
            for index, stage in enumerate(stages):
                port = metrics_port + index if metrics_port else 0
                command = [sys.executable, "-m", "tidegate", "worker", "--stages", stage]
                await supervisor.start(stage, [*command, "--metrics-port", str(port)])
            await asyncio.wait(
                [asyncio.create_task(event.wait()) for event in (stop, supervisor.gave_up)],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            await supervisor.stop()
    return 1 if supervisor.failed else 0
