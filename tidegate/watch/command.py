"""The words of `tidegate watch` in, its exit code out."""

import argparse
import asyncio
from functools import partial

from streams.clock import system_clock
from streams.log import configure_logging
from tidegate.settings import Settings

MEANING = "look at engines or a Prometheus and say what is wrong; needs nothing but their URL"


def add_watch(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    watch = commands.add_parser("watch", help=MEANING, description=MEANING)
    watch.add_argument("urls", nargs="+", metavar="URL", help="http://HOST:PORT, /metrics or not")
    until = watch.add_mutually_exclusive_group()
    until.add_argument("--once", action="store_true", help="end with the first verdict")
    until.add_argument("--for", dest="for_s", type=float, metavar="S", help="end S seconds later")
    watch.add_argument("--json", action="store_true", help="one JSON object a line")
    watch.add_argument("--no-page", action="store_true", help="only words")
    watch.add_argument("--port", type=int, default=0, help="of the page on this machine (any)")
    watch.set_defaults(run=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Raises a TidegateError where there is nothing to look at."""
    from tidegate.watch.run import Options, watch  # noqa: PLC0415  takes a second to load
    from tidegate.watch.tell import Json, Plain, Teller  # noqa: PLC0415

    configure_logging("error")  # what matters is said in one sentence
    say = partial(print, flush=True)
    teller: Teller = Json(say) if arguments.json else Plain(say)
    options = Options(
        urls=arguments.urls,
        for_s=0.0 if arguments.once else arguments.for_s,
        page=not (arguments.no_page or arguments.once),
        port=arguments.port,
    )
    return asyncio.run(watch(options, settings, teller, system_clock))
