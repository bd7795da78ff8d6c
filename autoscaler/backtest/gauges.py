"""What a Prometheus knows of a pool in, a trace out: levels and counters, no single requests.

Arrivals of a second are what finished in it and what the pool then holds more. They are taken to
fall anywhere in the second, and to be served for times that are exponential about their mean of
the ten minutes (by Little's law, requests in service over requests finished a second).
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from autoscaler.backtest.policy import Floats, Ints
from autoscaler.backtest.trace import Trace
from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.sources.prometheus_series import Series
from streams.sources.vocabulary import COUNTERS, LEVELS, Selector

BLOCK_S: Final = 600


def names() -> Sequence[str]:
    """The metrics that are asked for."""
    wanted = (LEVELS["running"], LEVELS["waiting"], COUNTERS["finished"])
    return sorted({selector.name for selectors in wanted for selector in selectors})


def gauged(  # noqa: PLR0913  what a trace is, once
    series: Sequence[Series], *, name: str, slots: int, since_us: int, until_us: int, seed: int = 0
) -> Trace:
    """Raises InvalidParameterError where no requests were in flight or none finished."""
    at_us = np.arange(since_us, until_us + 1, SECOND_US, dtype=np.int64)
    running = _level(_chosen(series, LEVELS["running"]), at_us)
    held = running + _level(_chosen(series, LEVELS["waiting"]), at_us)
    finished = _increase(_chosen(series, COUNTERS["finished"]), at_us)
    if not (running.sum() and finished.sum()):
        allowed = f"a selector of engines with {', '.join(names())}, in use"
        raise InvalidParameterError("--pool", name, allowed)
    came = np.maximum(0.0, finished + np.diff(held))
    counts = np.diff(np.floor(np.concatenate([[0.0], np.cumsum(came)]))).astype(np.int64)
    rng = np.random.default_rng(seed)
    arrival_s = np.repeat(np.arange(len(counts), dtype=float), counts)
    arrival_s = np.sort(arrival_s + rng.random(len(arrival_s)))
    mean_s = _service_s(running[1:], finished)
    service_s = rng.exponential(mean_s[(arrival_s // BLOCK_S).astype(np.int64)])
    return Trace(
        name=name, arrival_s=arrival_s, service_s=service_s, seconds=len(counts), slots=slots
    )


def _chosen(series: Iterable[Series], selectors: Sequence[Selector]) -> list[Series]:
    return [
        one
        for one in series
        if any(s.name == one.labels.get("__name__") and s.fits(one.labels) for s in selectors)
    ]


def _level(series: Iterable[Series], at_us: Ints) -> Floats:
    """The sum of what each series said last; 0 before it first spoke and after it fell silent."""
    total = np.zeros(len(at_us))
    for one in series:
        when, values = _points(one)
        newest = np.searchsorted(when, at_us, side="right") - 1
        spoken = (newest >= 0) & (at_us <= when[-1])
        total += np.where(spoken, values[np.maximum(newest, 0)], 0.0)
    return total


def _increase(series: Iterable[Series], at_us: Ints) -> Floats:
    """What all counters grew by in each second, evenly between scrapes; a reset starts from 0."""
    total = np.zeros(len(at_us) - 1)
    for one in series:
        when, values = _points(one)
        steps = np.diff(values)
        grown = np.concatenate([[0.0], np.cumsum(np.where(steps < 0, values[1:], steps))])
        total += np.diff(np.interp(at_us, when, grown))
    return total


def _points(one: Series) -> tuple[Ints, Floats]:
    when, values = zip(*one.points, strict=True)
    return np.array(when, np.int64), np.nan_to_num(np.array(values, float))


def _service_s(running: Floats, finished: Floats) -> Floats:
    """Seconds in service by block; that of all where little finished."""
    starts = np.arange(0, len(finished), BLOCK_S)
    busy, done = np.add.reduceat(running, starts), np.add.reduceat(finished, starts)
    usual_s = float(running.sum() / finished.sum())
    mean_s: Floats = np.where(done >= 20, busy / np.maximum(done, 1e-9), usual_s)
    return mean_s
