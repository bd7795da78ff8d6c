"""`tidegate worker`: one stage in this process, or several as supervised children."""

import asyncio
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from streams.settling import settle
from streams.together import stop_on_signals
from tidegate.settings import Settings
from tidegate.supervisor import Supervisor
from tidegate.wiring import run_stage


def run(
    stages: Sequence[str], settings: Settings, metrics_port: int, pulse: Path | None = None
) -> int:
    """The exit code. A stage that hangs must not stop another: each has a process of its own.

    stages: names; one that is there several times runs in so many processes.
    """
    if len(stages) == 1:
        return run_stage(stages[0], settings, metrics_port, pulse)
    return asyncio.run(_supervise(stages, settings, metrics_port))


def stage_command(stage: str, metrics_port: int, pulse: Path) -> list[str]:
    """Starts one stage as a child that shows its pulse."""
    return [
        sys.executable, "-m", "tidegate", "worker", "--stages", stage,
        "--metrics-port", str(metrics_port), "--pulse", str(pulse),
    ]  # fmt: skip


def numbered(stages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of a process's name and its stage.

    >>> list(numbered(["ingest", "watch", "watch"]))
    [('ingest', 'ingest'), ('watch-1', 'watch'), ('watch-2', 'watch')]
    """
    for index, stage in enumerate(stages):
        number = stages[: index + 1].count(stage)
        yield (f"{stage}-{number}" if stages.count(stage) > 1 else stage), stage


async def _supervise(stages: Sequence[str], settings: Settings, metrics_port: int) -> int:
    stop = stop_on_signals()
    with tempfile.TemporaryDirectory(prefix="tidegate-worker-") as name:
        folder = Path(name)
        supervisor = Supervisor(
            folder,
            dict(os.environ),
            # One that fails again and again must not take the others with it.
            max_restarts=math.inf,
            own_logs=False,
            frozen_after_s=settings.stream.stuck_after_s,
            bury=partial(settle, settings.stream),
        )
        try:
            for index, (child, stage) in enumerate(numbered(stages)):
                port, pulse = metrics_port + index if metrics_port else 0, folder / f"{child}.pulse"
                await supervisor.start(child, stage_command(stage, port, pulse), pulse=pulse)
            await asyncio.wait(
                [asyncio.create_task(event.wait()) for event in (stop, supervisor.gave_up)],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            await supervisor.stop()
    return 1 if supervisor.failed else 0
