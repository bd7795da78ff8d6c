"""`tidegate backtest`: a past of one's own under Tidegate and the scalers of others."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from autoscaler.backtest import batched
from autoscaler.backtest.chart import chart
from autoscaler.backtest.contenders import CONTENDERS
from autoscaler.backtest.contest import Static
from autoscaler.backtest.gauges import gauged, names
from autoscaler.backtest.outcome import Outcome, outcome
from autoscaler.backtest.policy import Policy, Shape
from autoscaler.backtest.recordings import recorded
from autoscaler.backtest.run import Run, run
from autoscaler.backtest.slo import LatencySlo
from autoscaler.backtest.trace import Trace, load
from autoscaler.profile.record import load_profile
from streams.clock import SECOND_US, system_clock
from streams.errors import InvalidParameterError
from streams.sources.prometheus_query import PrometheusQuery
from tidegate.settings import Settings
from tidegate.watch.look import asker_for

PIECE_US: Final = 3_600 * SECOND_US
OURS: Final = "tidegate"
HELD_S: Final = 60.0
FOREVER_S: Final = 1e9
STATIC: Final = "as it begins"
"""The name of a pool that is never scaled."""
ASSUMED: Final = (
    "a Prometheus holds no single requests: arrivals are what finished and what was held more, "
    "spread over each second; service times are exponential about their mean of ten minutes"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    traces: tuple[Path, ...]
    prometheus: str
    pool: str
    hours: float
    slots: int
    cold_start_s: float
    slo_queue_s: float
    most: int
    zero: bool
    """Show also what Tidegate does where it may let the last replica go,"""
    asleep: int
    """and where so many may sleep,"""
    wake_s: float
    asleep_cost_ratio: float
    deadline_s: float
    """Requests are jobs with this deadline; 0: they are not."""
    policies: tuple[str, ...]
    gpus: float
    price: float
    chart: Path | None
    profile: Path | None
    """Of `tidegate profile`: replicas batch as it says, and these are promised."""
    slo: LatencySlo


def play(options: Options, settings: Settings) -> int:
    for number, trace in enumerate(_traces(options, settings)):
        print(*_report(trace, options, number), sep="\n")
    return 0


def _traces(options: Options, settings: Settings) -> Iterator[Trace]:
    if options.prometheus:
        print(f"tidegate: assumed: {ASSUMED}", file=sys.stderr)
        yield asyncio.run(_from_prometheus(options, settings, system_clock()))
    for path in options.traces:
        if not path.is_file():
            raise InvalidParameterError("TRACE", str(path), "a file that exists")
        if path.suffix == ".npz":
            yield load(path)
        else:
            yield recorded(path, _slots(options), options.pool)


async def _from_prometheus(options: Options, settings: Settings, now_us: int) -> Trace:
    span_us = (now_us - round(options.hours * 3_600) * SECOND_US, now_us)
    async with await asker_for(settings.watch) as asker:
        query = PrometheusQuery(asker, options.prometheus)
        series = await query.selected(names(), options.pool, span_us, PIECE_US)
    return gauged(
        series, name=options.pool, slots=_slots(options), since_us=span_us[0], until_us=span_us[1]
    )


def _slots(options: Options) -> int:
    if options.slots < 1:
        raise InvalidParameterError("--slots", options.slots, "what a replica serves at once: ≥ 1")
    return options.slots


def _report(trace: Trace, options: Options, number: int) -> Iterator[str]:
    runs = {name: _run(trace, who, options, more) for name, who, more in _rows(options)}
    yield (
        f"{trace.name}: {len(trace.arrival_s):,} requests in {trace.seconds / 3_600:,.1f} h, "
        f"{trace.mean_service_s:.2f} s each, {trace.slots} at once in a replica; "
        f"judged after {trace.warm_up_s / 3_600:.1f} h"
    )
    priced = options.gpus, options.asleep_cost_ratio
    yield from _table({name: outcome(one, *priced) for name, one in runs.items()}, options)
    if options.asleep:
        yield f"a replica asleep costs {options.asleep_cost_ratio:g} of one that serves"
    if options.chart:
        of = options.chart
        file = of.with_stem(f"{of.stem}-{number}") if number else of
        file.write_text(chart(runs), encoding="utf-8")
        yield f"chart: {file}"


def _rows(options: Options) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """What stands in a row, who decides there, and what is special about the pool."""
    for name in (STATIC, *options.policies):
        yield name, name, {}
    if OURS not in options.policies:
        return
    # Who asks a pool at zero is held by the gateway until the first replica is there.
    zero = {"low": 0, "patience_s": options.cold_start_s + HELD_S}
    asleep = {"max_asleep": options.asleep, "wake_s": options.wake_s}
    if options.zero:
        yield f"{OURS}, to zero", OURS, zero
    if options.asleep:
        yield f"{OURS}, {options.asleep} asleep", OURS, asleep
    if options.zero and options.asleep:
        yield f"{OURS}, both", OURS, zero | asleep


def _run(trace: Trace, name: str, options: Options, more: Mapping[str, Any]) -> Run:
    engine = load_profile(options.profile).engine() if options.profile else None
    who = None if name == STATIC else CONTENDERS[name]
    shape = Shape(
        slots=engine.slots if engine else options.slots or trace.slots,
        cold_start_s=options.cold_start_s,
        slo_queue_s=options.deadline_s or options.slo_queue_s,
        deadline_s=options.deadline_s,
        high=options.most,
        tick_s=who.tick_s if who else 15,
        age_s=who.age_s if who else 15,
    )
    # Jobs are given up by nobody.
    patience = {"patience_s": FOREVER_S} if options.deadline_s else {}
    shape = replace(shape, **{**patience, **more})

    def make(shape: Shape) -> Policy:
        return who.make("", shape, who.usual) if who else Static()

    if engine:
        return batched.run(trace, shape, batched.Service(engine=engine, slo=options.slo), make)[0]
    return run(trace, shape, make)


def _table(outcomes: Mapping[str, Outcome], options: Options) -> Iterator[str]:
    head = ("policy", "GPU-hours", "cost", "missed", "worst ten minutes", "reversals", "most")
    lines = [
        head,
        *(
            (
                name,
                f"{one.gpu_hours:,.1f}",
                f"{one.gpu_hours * options.price:,.2f}",
                f"{100 * one.missed_ratio:.2f} %",
                f"{100 * one.worst_ratio:.0f} % at {one.worst_at_s / 3_600:.1f} h",
                str(one.reversals),
                str(one.replicas_max),
            )
            for name, one in outcomes.items()
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()


def chosen(text: str) -> tuple[str, ...]:
    """Names of contenders that need not know the future."""
    known = [name for name, who in CONTENDERS.items() if not who.knows]
    found = tuple(filter(None, text.split(",")))
    for name in found:
        if name not in known:
            raise InvalidParameterError("--policies", name, f"of {', '.join(known)}")
    return found
