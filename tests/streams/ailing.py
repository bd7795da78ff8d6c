"""A counting stage that comes to grief at one record, the first time it sees it: see ``ILLS``."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from streams.app import create_app, run_app
from streams.batch import RecordBatch
from streams.log import configure_logging
from streams.log_stage import attach_log_stage
from streams.pulse import read_pulse
from streams.settings import StreamSettings
from streams.stage import Out
from streams.watchdog import Watchdog, end_process
from tests.streams.toys import Counting

FATAL: Final = 13
STUCK_AFTER_S: Final = 4.0


async def block() -> None:
    time.sleep(3_600)  # noqa: ASYNC251  # on purpose: the loop itself hangs


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def freeze() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


async def die_in_the_next_transaction() -> None:
    async def die(producer: AIOKafkaProducer, *_: Any) -> None:
        await producer.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    AIOKafkaProducer.send_offsets_to_transaction = die


ILLS: Final[Mapping[str, Callable[[], Awaitable[None]]]] = {
    "block": block,
    "wait": wait_for_ever,
    "freeze": freeze,
    "die": die_in_the_next_transaction,
}


class Ailing(Counting):
    """Falls ill at the fatal record; a later process of the same stage is immune."""

    def __init__(self, partition: int, ill: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(partition)
        self._ill = ill

    async def handle(self, batch: RecordBatch) -> Sequence[Out]:
        if self._ill and any(message.value == b"%d" % FATAL for message in batch.messages):
            await self._ill()
        return await super().handle(batch)


def command(ill: str, settings: StreamSettings, pulse: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "tests.streams.ailing",
        ill,
        settings.model_dump_json(),
        str(pulse),
    ]


def main(ill: str, settings_json: str, pulse: str) -> int:
    configure_logging("info")
    settings = StreamSettings.model_validate_json(settings_json)
    healthy = read_pulse(Path(pulse)).starts > 0
    app = create_app("ailing", settings)
    attach_log_stage(
        app,
        stage="ailing",
        topics=["partials"],
        handler=lambda _, partition: Ailing(partition, None if healthy else ILLS[ill]),
        replay=True,
    )
    Watchdog(app.vitals, stuck_after_s=STUCK_AFTER_S, pulse=Path(pulse), end=end_process).start()
    return run_app(app)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
