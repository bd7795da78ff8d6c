"""``tidegate profile`` on the command line."""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from streams.clock import system_clock
from streams.errors import InvalidParameterError
from streams.log import configure_logging
from streams.loopback import LOOPBACK
from tidegate.arguments import seconds
from tidegate.settings import Settings

if TYPE_CHECKING:
    from autoscaler.profile.record import Profile
    from autoscaler.region import Limit

MEANING: Final = (
    "what one replica behind an OpenAI-compatible URL can carry: limits, and within SLOs"
)
HINT: Final = "set TIDEGATE_WATCH__TOKEN"


def add_profile(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    profile = commands.add_parser("profile", help=MEANING, description=MEANING)
    profile.add_argument("url", metavar="URL", help="http://HOST:PORT, with or without /v1")
    profile.add_argument("--model", default="", metavar="NAME", help="(the only one there)")
    profile.add_argument(
        "--yes", action="store_true", help="load it although it is not this machine"
    )
    profile.add_argument("--in-flight", type=int, default=32, metavar="N", help="at most (32)")
    profile.add_argument("--words", type=int, default=400, metavar="N", help="longest prompt (400)")
    profile.add_argument("--requests", type=int, default=300, metavar="N", help="at most (300)")
    profile.add_argument("--tokens", type=int, default=100_000, metavar="N", help="(100,000)")
    profile.add_argument("--seconds", type=seconds, default=120.0, metavar="S", help="(120)")
    profile.add_argument("--ttft", type=seconds, default=2.0, metavar="S", help="p95 promised (2)")
    profile.add_argument("--itl", type=seconds, default=0.2, metavar="S", help="p95 promised (0.2)")
    profile.add_argument("--prompt", type=int, default=200, metavar="N", help="usual tokens (200)")
    profile.add_argument("--answer", type=int, default=100, metavar="N", help="usual tokens (100)")
    profile.add_argument("--out", type=Path, metavar="FILE.json", help="for settings and backtests")
    profile.set_defaults(run=_profile)


def _profile(arguments: argparse.Namespace, settings: Settings) -> int:
    url = _address(arguments.url)
    _require_numbers(arguments)
    print(
        f"tidegate: asks {url} for up to {arguments.requests:,} answers, {arguments.in_flight} at "
        f"once, {arguments.tokens:,} tokens and {arguments.seconds:g} s in all; "
        "changes nothing there",
        file=sys.stderr,
    )
    if urlsplit(url).hostname not in LOOPBACK and not arguments.yes:
        allowed = "of this machine, or --yes: the load may slow down whoever uses it now"
        raise InvalidParameterError("URL", url, allowed)
    configure_logging("error")
    found = asyncio.run(_taken(arguments, settings, url, system_clock()))
    print("\n".join(_table(found)))
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
        print(f"profile: {arguments.out}")
    return 0


async def _taken(
    arguments: argparse.Namespace, settings: Settings, url: str, now_us: int
) -> "Profile":
    from autoscaler.backtest.slo import LatencySlo  # noqa: PLC0415  loads Numba
    from autoscaler.profile.ask import Model, client  # noqa: PLC0415
    from autoscaler.profile.carries import carried_per_s  # noqa: PLC0415
    from autoscaler.profile.measure import measure  # noqa: PLC0415
    from autoscaler.profile.record import Rate, profile_of  # noqa: PLC0415
    from autoscaler.profile.rounds import Bounds  # noqa: PLC0415
    from streams.sources.access import Access  # noqa: PLC0415

    bounds = Bounds(
        in_flight=arguments.in_flight,
        prompt_words=arguments.words,
        requests=arguments.requests,
        tokens=arguments.tokens,
        seconds=arguments.seconds,
    )
    access = await asyncio.to_thread(Access, settings.watch, section="watch", hint=HINT)
    async with client() as session:
        model = Model(session, access, url, arguments.model, seed=now_us)
        seen = await measure(model, bounds, partial(print, file=sys.stderr, flush=True))
    found = profile_of(seen, url=url, model=model.name, at_us=now_us)
    slo = LatencySlo(ttft_s=arguments.ttft, inter_token_s=arguments.itl)
    mix = {"prompt": arguments.prompt, "answer": arguments.answer}
    rate = Rate(
        requests_per_s=round(carried_per_s(found.engine(), slo, **mix), 4),
        prompt_tokens=arguments.prompt,
        answer_tokens=arguments.answer,
        ttft_s=arguments.ttft,
        inter_token_s=arguments.itl,
    )
    return msgspec.structs.replace(found, rate=rate)


def _address(url: str) -> str:
    whole = url if "://" in url else f"http://{url}"
    parts = urlsplit(whole)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        allowed = f"http://HOST:PORT or https://…, without a password ({HINT})"
        raise InvalidParameterError("URL", parts.hostname or url, allowed)
    return whole


def _require_numbers(arguments: argparse.Namespace) -> None:
    for name in ("in_flight", "words", "requests", "tokens", "prompt", "answer"):
        least = 16 if name == "words" else 1
        if getattr(arguments, name) < least:
            option = f"--{name.replace('_', '-')}"
            raise InvalidParameterError(option, getattr(arguments, name), f"{least} or more")
    if arguments.out and not arguments.out.parent.is_dir():
        raise InvalidParameterError("--out", str(arguments.out), "in a directory that exists")


def _table(found: "Profile") -> Iterator[str]:
    yield f"{found.model} at {found.url}, {found.requests} requests, {found.tokens:,} tokens"
    limits = {
        "prefill tokens/s": found.prefill_tokens_per_s,
        "decode tokens/s": found.decode_tokens_per_s,
        "requests in flight": found.in_flight,
        "KV tokens": found.kv_tokens,
    }
    yield from (_line(name, limit) for name, limit in limits.items())
    yield f"{'prefix seen before':20} {100 * found.prefix_reuse_ratio:.0f} % of its prefill saved"
    yield (
        f"{'fit':20} off by {100 * found.error_ratio:.1f} % (median), "
        f"{100 * found.worst_ratio:.0f} % at worst"
    )
    if rate := found.rate:
        yield (
            f"{'within the SLO':20} {rate.requests_per_s:.2f} requests/s of {rate.prompt_tokens} "
            f"and {rate.answer_tokens} tokens, p95 ≤ {rate.ttft_s:g} s to the first and "
            f"{rate.inter_token_s:g} s between tokens"
        )
    if found.stopped:
        yield f"stopped early: {found.stopped}"


def _line(name: str, limit: "Limit") -> str:
    return f"{name:20} {limit.value:,.0f}  {'identified' if limit.identified else 'lower bound'}"
