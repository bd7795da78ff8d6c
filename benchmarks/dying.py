"""One stage, as `tidegate worker` runs it, that on SIGUSR1 kills itself inside a transaction."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.clock import system_clock
from streams.log import configure_logging
from tidegate.settings import load_settings
from tidegate.wiring import run_stage


def arm(died: Path) -> None:
    """From now on: records written and flushed, nothing committed, and gone."""

    async def die(producer: AIOKafkaProducer, *_: Any) -> None:
        await producer.flush()
        died.write_text(str(system_clock()))
        os.kill(os.getpid(), signal.SIGKILL)

    AIOKafkaProducer.send_offsets_to_transaction = die


def main(stage: str, pulse: Path) -> int:
    configure_logging("info")
    signal.signal(signal.SIGUSR1, lambda *_: arm(pulse.with_suffix(".died")))
    return run_stage(stage, load_settings(), pulse=pulse)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
