"""``tidegate import`` on the command line."""

import argparse
from pathlib import Path

from streams.log import configure_logging
from streams.sources.files.kinds import FIELDS, KINDS
from tidegate.arguments import instant, speed
from tidegate.settings import Settings


def add_import(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    history = commands.add_parser("import", help="past requests from a file, as a recording")
    history.add_argument("file", type=Path, metavar="FILE", help=".csv, .jsonl, .parquet or .npz")
    to = history.add_mutually_exclusive_group(required=True)
    to.add_argument("--out", default="", metavar="FILE", help="a recording, for replay")
    to.add_argument("--topic", choices=["requests"], help="to the broker, as if it happened now")
    history.add_argument("--kind", default="", choices=KINDS, help="what its columns mean (seen)")
    history.add_argument(
        "--columns",
        type=_columns,
        default={},
        metavar="FIELD=COLUMN,…",
        help=f"which column is what: {', '.join(FIELDS)}",
    )
    history.add_argument("--pool", default="history", help="the pool they asked (history)")
    history.add_argument("--start", type=instant, default=None, metavar="TIME", help="shift to")
    history.add_argument(
        "--served",
        type=_served,
        default=(0.0, 0.0),
        metavar="P,S",
        help="where no end is known: prompt tokens a second, seconds per output token",
    )
    history.add_argument("--speed", type=speed, default=1.0, help="of --topic (1)")
    history.set_defaults(run=_import)


def _import(arguments: argparse.Namespace, settings: Settings) -> int:
    from streams.sources.files.events import Serving  # noqa: PLC0415
    from tidegate.history import Options, run  # noqa: PLC0415

    configure_logging("error")
    prefill_per_s, output_token_s = arguments.served
    serving = Serving(
        pool=arguments.pool,
        cluster=settings.cluster,
        start_s=None if arguments.start is None else arguments.start / 1e6,
        prefill_per_s=prefill_per_s,
        output_token_s=output_token_s,
    )
    names = ("file", "kind", "columns", "out")
    given = {name: getattr(arguments, name) for name in names}
    return run(Options(**given, serving=serving, speed=arguments.speed or 1e6), settings.stream)


def _columns(text: str) -> dict[str, str]:
    """Field -> column.

    >>> _columns("at=ts,prompt_tokens=Request tokens")
    {'at': 'ts', 'prompt_tokens': 'Request tokens'}
    """
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and column.strip() for name, _, column in pairs):
        raise argparse.ArgumentTypeError(f"must be FIELD=COLUMN,FIELD=COLUMN, got {text}")
    return {name.strip(): column.strip() for name, _, column in pairs}


def _served(text: str) -> tuple[float, float]:
    prefill, _, output = text.partition(",")
    values = (float(prefill), float(output or 0))
    if not (0 < values[0] < 10**9 and 0 <= values[1] < 10**4):
        raise argparse.ArgumentTypeError(f"must be tokens a second and seconds a token, got {text}")
    return values
