"""``tidegate gpus`` and ``tidegate stranded`` on the command line."""

import argparse
import asyncio
from pathlib import Path

from streams.log import configure_logging
from streams.sources.gpu_idle import STRANDED_S
from tidegate.arguments import instant, seconds
from tidegate.settings import Settings


def add_gpu_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    gpus = commands.add_parser("gpus", help="one reading of the GPUs here or on a page")
    gpus.add_argument("url", nargs="?", default="", metavar="URL", help="of a dcgm-exporter")
    gpus.set_defaults(run=_gpus)
    stranded = commands.add_parser("stranded", help="who held GPUs without work, from the store")
    stranded.add_argument("store", type=Path, metavar="STORE", help="SQLite file")
    stranded.add_argument("--since", type=instant, default=0, metavar="TIME")
    idle = f"not counted: the first S seconds without work ({STRANDED_S:g})"
    stranded.add_argument("--idle", type=seconds, default=STRANDED_S, metavar="S", help=idle)
    stranded.set_defaults(run=_stranded)


def _gpus(arguments: argparse.Namespace, settings: Settings) -> int:
    from tidegate.gpus import show  # noqa: PLC0415

    configure_logging("error")
    return asyncio.run(show(arguments.url, settings))


def _stranded(arguments: argparse.Namespace, settings: Settings) -> int:
    from tidegate.stranded import run  # noqa: PLC0415

    since_us, idle_s = arguments.since, arguments.idle
    return run(arguments.store, settings.stream, since_us=since_us, idle_s=idle_s)
