"""The arguments of `tidegate watch` in, its exit code out."""

import argparse
import asyncio
from functools import partial

from streams.clock import system_clock
from tidegate.settings import Settings
from tidegate.watch.run import Options, watch
from tidegate.watch.tell import Json, Plain, Teller


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Raises a TidegateError where there is nothing to look at."""
    say = partial(print, flush=True)
    teller: Teller = Json(say) if arguments.json else Plain(say)
    options = Options(
        urls=arguments.urls,
        for_s=0.0 if arguments.once else arguments.for_s,
        page=not (arguments.no_page or arguments.once),
        port=arguments.port,
    )
    return asyncio.run(watch(options, settings, teller, system_clock))
