"""A worker whose transactions are broken on purpose: ``python -m tests.chaos.worker STAGE``."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

import streams.log_stage
from streams.log import configure_logging
from streams.stage import Out
from streams.transaction import Atomic
from tidegate.settings import load_settings
from tidegate.wiring import run_stage

BETWEEN_S: Final = 0.3


class OffsetFirst(Atomic):
    """Commits the offset before the outputs: what is killed in between has lost them."""

    async def commit(self, out: Sequence[Out], offset: int | None = None) -> None:
        await super().commit((), offset)
        await asyncio.sleep(BETWEEN_S)
        await super().commit(out)


if __name__ == "__main__":
    configure_logging()
    streams.log_stage.Atomic = OffsetFirst  # type: ignore[attr-defined]
    sys.exit(run_stage(sys.argv[1], load_settings(), 0))
