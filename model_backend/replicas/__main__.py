"""``python -m model_backend.replicas KIND ...``: run one replica until told to stop."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from model_backend.replicas import REPLICAS
from model_backend.replicas.base import ReplicaOptions, end_with_parent, serve
from streams.errors import MissingRequirementError, TidegateError


def main(argv: Sequence[str] | None = None) -> int:
    """0 after an orderly stop, 2 if something it needs is missing or wrong, 1 if it broke."""
    arguments = _parser().parse_args(argv)
    options = ReplicaOptions(
        name=arguments.name or f"{arguments.kind}-1",
        model=arguments.model or arguments.kind,
        slots=arguments.slots,
        start_delay_s=arguments.start_delay_s,
        port=arguments.port,
        fd=arguments.fd,
        parent_pid=arguments.parent_pid,
    )
    if options.parent_pid:
        end_with_parent()
    try:
        asyncio.run(serve(REPLICAS[arguments.kind](options, arguments), options))
    except TidegateError as exc:
        sys.stderr.write(f"{options.name}: {exc}\n")
        return 2 if isinstance(exc, MissingRequirementError | ValueError) else 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_backend.replicas", allow_abbrev=False)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for name, kind in REPLICAS.items():
        sub = kinds.add_parser(name, allow_abbrev=False, help=str(kind.__doc__).splitlines()[0])
        sub.add_argument("--name", default="", help="name of the replica, such as codex-1")
        sub.add_argument("--model", default="", help="model name that clients see")
        sub.add_argument("--port", type=int, default=0, help="loopback port, 0 for any free one")
        sub.add_argument("--fd", type=int, default=-1, help="inherited listening socket")
        sub.add_argument("--slots", type=int, default=1, help="requests served at once")
        sub.add_argument("--start-delay-s", type=float, default=0.0, help="declared start delay")
        sub.add_argument("--parent-pid", type=int, default=0, help="end when this process ends")
        kind.add_arguments(sub)
    return parser


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # The engine's own threads need not be waited for, and may hang the interpreter's shutdown.
    os._exit(code)
