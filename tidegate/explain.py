"""``tidegate explain``: a decision out of the log, told so that anybody can follow it."""

import argparse
import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from autoscaler.decide import repeats
from autoscaler.decision_log import BEFORE_US, DecisionLog
from autoscaler.explain import Explanation, explain
from streams.batch import Message
from streams.clock import system_clock
from streams.errors import InvalidParameterError
from streams.log import configure_logging
from tidegate.arguments import instant
from tidegate.runfiles import RunFile
from tidegate.settings import Settings, load_settings

MEANING: Final = "why a pool has, or had, its size, and what other settings would do"
SHOWN: Final = 10


def add_explain(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("explain", help=MEANING, description=MEANING)
    parser.add_argument("pool", nargs="?", default="", metavar="POOL")
    parser.add_argument("--cluster", default="", help="where several have a pool of the name")
    parser.add_argument("--at", type=instant, default=0, metavar="TIME", help="then (now)")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="instead: decide everything in the log again from its recorded inputs",
    )
    parser.set_defaults(run=_explain)


def _explain(arguments: argparse.Namespace, settings: Settings) -> int:
    configure_logging("error")
    running = RunFile.running()
    if running is not None:  # an `up` has a broker and settings of its own
        settings = load_settings({"TIDEGATE_CONFIG": running.settings})
    log = DecisionLog(settings.stream)
    if arguments.verify:
        return asyncio.run(_verify(log))
    if not arguments.pool:
        raise InvalidParameterError("POOL", "", "the name of a pool, unless --verify is given")
    at_us = arguments.at or system_clock()
    found = asyncio.run(log.at(arguments.pool, arguments.cluster, at_us))
    if found is None:
        print(
            f"nothing was decided for pool {arguments.pool!r} in the {BEFORE_US // 60_000_000} "
            f"minutes before {_time(at_us)}, or the log does not hold it any more"
        )
        return 1
    print("\n".join(told(explain(found))))
    return 0


def told(why: Explanation) -> Iterator[str]:
    """Lines of a terminal."""
    yield f"{why.cluster}/{why.pool} at {_time(why.at_us)}: {why.desired} replicas"
    yield from _part("What was seen", why.situation)
    yield from _part("What is ahead", _ahead(why))
    yield from _part("The plan", [f"{why.proposed}: {why.steps[0]}"])
    words = (
        f"{'→ ' if one.before != one.after else '  '}{one.after:>4}  {one.guard}: {one.word}"
        for one in why.words
    )
    yield from _part("Each guard in turn (→ where one changed the size)", words)
    others = (f"{one.desired:>4}  {one.setting}: {one.why}" for one in why.others)
    yield from _part("In the same situation, under other settings", others)
    again = "the same to the byte" if why.same_again else f"{why.desired_again}: another version?"
    yield from _part("Decided again from what was recorded", [again])


def _ahead(why: Explanation) -> Iterator[str]:
    if why.forecast is None:
        yield "no forecast yet"
        return
    slots = why.inputs.get("slots", 0) or 1
    for one in why.forecast.quantiles:
        planned = ", planned for" if one == why.forecast.planned else ""
        replicas = f"{one.value / slots:.3g} replicas full"
        yield (
            f"with {one.q:.1%} at most {one.value:.3g} {why.forecast.unit} "
            f"in the next {why.forecast.horizon_s:.3g} s ({replicas}{planned})"
        )


def _part(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield title
    for line in lines:
        yield f"  {line}"


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds")


async def _verify(log: DecisionLog) -> int:
    """1 if one does not come out the same to the byte, or there is none."""
    outcomes: dict[int, bool] = {}

    def take(message: Message) -> bool:
        outcomes[message.offset] = repeats(message.value or b"")
        return True

    await log.read(take)
    different = [offset for offset, alike in outcomes.items() if not alike]
    print(f"{len(outcomes):,} decisions decided again, {len(different):,} come out different")
    if different:
        shown = ", ".join(map(str, different[:SHOWN]))
        print(f"  at offsets {shown}…: of another version of the planner, or a defect")
    return int(bool(different) or not outcomes)
