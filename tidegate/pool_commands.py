"""``tidegate schedules`` and ``tidegate compare``: a pool's known future, and its days."""

import argparse
import asyncio
import getpass
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from autoscaler.schedules.planned import PlannedSchedule
from autoscaler.schedules.settings import ScheduleTerms
from autoscaler.schedules.spans import Span, sentence, words
from streams.errors import InvalidParameterError
from streams.log import configure_logging
from streams.schemas.comparison import Comparison
from tidegate.control_api import ControlApi
from tidegate.settings import Settings

SCHEDULES: Final = "what is known of a pool's future: list, add or remove it"
COMPARE: Final = "what the plan would have changed, day by day, while a pool only watches"
SHOWN_DAYS: Final = 14
_TERMS: Final = {
    "--from": ("starts_at", "TIME", "2026-11-27T18:00:00+01:00; beside --at: not before"),
    "--to": ("ends_at", "TIME", "beside --at: not after"),
    "--at": ("at", "HH:MM", "again and again, by the clocks of --zone"),
    "--weekdays": ("weekdays", "mon,tue", "beside --at (all)"),
    "--zone": ("zone", "NAME", "of the IANA time zone database (UTC)"),
    "--lasts": ("lasts_s", "S", "seconds, beside --at"),
    "--min": ("min_replicas", "N", "so many are ready when it begins"),
    "--max": ("max_replicas", "N", "no more than so many"),
    "--times": ("times", "X", "so many times the usual demand is expected"),
    "--rate": ("rate_per_s", "X", "so many requests a second are expected"),
}


def add_pool_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    schedules = commands.add_parser("schedules", help=SCHEDULES, description=SCHEDULES)
    actions = schedules.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the next of each, the soonest first")
    listing.set_defaults(run=_run(_list))
    adding = actions.add_parser("add", help="what is to be ready, or expected, at a time")
    adding.add_argument("--replace", action="store_true", help="one of the same name")
    for flag, (name, metavar, meaning) in _TERMS.items():
        adding.add_argument(flag, dest=name, metavar=metavar, help=meaning)
    adding.set_defaults(run=_run(_add))
    removing = actions.add_parser("remove", help="forget one")
    removing.set_defaults(run=_run(_remove))
    compare = commands.add_parser("compare", help=COMPARE, description=COMPARE)
    compare.add_argument("--days", type=int, default=SHOWN_DAYS, metavar="N", help="(14)")
    compare.set_defaults(run=_run(_compare))
    for parser in (listing, adding, removing, compare):
        parser.add_argument("pool", metavar="POOL")
        parser.add_argument("--cluster", default="", help="where several have a pool of the name")
        parser.add_argument("--api", default="", metavar="URL", help="(a running `up`; settings)")
    for parser in (adding, removing):
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--reason", default="", help="kept in the audit, as who asked")
        parser.add_argument("--actor", default="", help="(who you are on this machine)")


def _run(action: Any) -> Any:
    def run(arguments: argparse.Namespace, settings: Settings) -> int:
        configure_logging("error")
        return asyncio.run(_asking(action, arguments, settings))

    return run


async def _asking(action: Any, arguments: argparse.Namespace, settings: Settings) -> int:
    async with ControlApi(settings, arguments.api) as api:
        lines: Coroutine[Any, Any, Sequence[str]] = action(api, arguments)
        print("\n".join(await lines))
    return 0


async def _list(api: ControlApi, arguments: argparse.Namespace) -> Sequence[str]:
    found = await _known(api, arguments)
    if not found:
        return [f"no schedules of {arguments.pool}"]
    return [line for one in found for line in _told(one)]


def _told(one: PlannedSchedule) -> Iterator[str]:
    span = Span(one.next_from_us, one.next_until_us)
    when = "now, " if one.holds else "next "
    why = f" ({one.reason})" if one.reason else ""
    yield f"{one.name}: {one.says}"
    yield f"  {when}{words(span, one.schedule.zone)}; by {one.actor}{why}"


async def _add(api: ControlApi, arguments: argparse.Namespace) -> Sequence[str]:
    terms = _terms(arguments)
    etag = await _etag(api, arguments)
    known = {one.name for one in await _known(api, arguments)}
    if arguments.name in known and not arguments.replace:
        raise InvalidParameterError(
            "NAME", arguments.name, f"new among the schedules of {arguments.pool}, unless --replace"
        )
    body = terms.model_dump(mode="json", exclude_unset=True) | _who(arguments)
    path, query = _where(arguments)
    await api.order("PUT", path, params=query, body=body, if_match=etag)
    return [f"{arguments.name} of {arguments.pool}: {sentence(terms.schedule())}; accepted"]


async def _remove(api: ControlApi, arguments: argparse.Namespace) -> Sequence[str]:
    etag = await _etag(api, arguments)
    known = {one.name: one for one in await _known(api, arguments)}
    path, query = _where(arguments)
    await api.order("DELETE", path, params=query | _who(arguments), if_match=etag)
    was = known.get(arguments.name)
    return [f"{arguments.name} of {arguments.pool} is forgotten" + (f": {was.says}" if was else "")]


async def _compare(api: ControlApi, arguments: argparse.Namespace) -> Sequence[str]:
    answer, _ = await api.ask(f"/v1/pools/{arguments.pool}/days", arguments.cluster)
    days = msgspec.convert(answer["items"], list[Comparison])[: max(0, arguments.days)]
    if not days:
        why = "it is compared while it stands at shadow or recommend, or runs dry"
        return [f"no day of {arguments.pool} was compared yet: {why}"]
    return [*(day.sentence for day in days), *(_together(days) if len(days) > 1 else ())]


def _together(days: Sequence[Comparison]) -> Iterator[str]:
    present = sum(day.present.gpu_hours for day in days)
    planned = sum(day.planned.gpu_hours for day in days)
    saved = f" ({planned / present - 1:+.0%})" if present else ""
    before = sum(day.present.missed for day in days)
    after = sum(day.planned.missed for day in days)
    arrived = sum(day.arrived for day in days)
    yield (
        f"{len(days)} days: {planned:,.4g} instead of {present:,.4g} GPU-hours{saved}, "
        f"about {after:,.0f} instead of {before:,.0f} of {arrived:,} missed"
    )


def _terms(arguments: argparse.Namespace) -> ScheduleTerms:
    """Raises InvalidParameterError with the first thing that is not as it should be."""
    given = {
        name: value
        for name, *_ in _TERMS.values()
        if (value := getattr(arguments, name)) is not None
    }
    if "weekdays" in given:
        given["weekdays"] = given["weekdays"].split(",")
    try:
        return ScheduleTerms.model_validate(given)
    except ValidationError as exc:
        first = exc.errors()[0]
        flags = {name: flag for flag, (name, *_) in _TERMS.items()}
        where = flags.get(str(first["loc"][0]), "") if first["loc"] else ""
        allowed = first["msg"].removeprefix("Value error, ")
        raise InvalidParameterError(where or "schedule", first["input"], allowed) from exc


async def _known(api: ControlApi, arguments: argparse.Namespace) -> list[PlannedSchedule]:
    answer, _ = await api.ask(f"/v1/pools/{arguments.pool}/schedules", arguments.cluster)
    return msgspec.convert(answer["items"], list[PlannedSchedule])


async def _etag(api: ControlApi, arguments: argparse.Namespace) -> str:
    """Of the pool's rules: what is asked rests on what is read after this."""
    _, etag = await api.ask(f"/v1/pools/{arguments.pool}/rules", arguments.cluster)
    return etag


def _where(arguments: argparse.Namespace) -> tuple[str, dict[str, str]]:
    """Path and query of the schedule that is meant."""
    query = {"cluster": arguments.cluster} if arguments.cluster else {}
    return f"/v1/pools/{arguments.pool}/schedules/{arguments.name}", query


def _who(arguments: argparse.Namespace) -> dict[str, str]:
    reason = {"reason": arguments.reason} if arguments.reason else {}
    return {"actor": arguments.actor or getpass.getuser()} | reason
