"""A schedule in; nothing out if all rules held, else BrokenRuleError."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeVar

from streams.clock import SECOND_US
from tests.model.found import (
    BrokenRuleError,
    Found,
    check_balance,
    check_counts,
    check_watermarks,
    found,
)
from tests.model.owner import LogOwner
from tests.model.schedule import Step
from tests.model.sent import Traffic
from tests.model.world import Raw, World

END_US: Final = 2 * SECOND_US
"""The last look at the clock comes this long after everything else: the same in every world."""
SETTLE_US: Final = 25 * SECOND_US
WARM_UP: Final = Traffic(9, 30)

K = TypeVar("K")
V = TypeVar("V")


def judge(steps: Iterable[Step], owner: type[LogOwner] = LogOwner) -> None:
    """What comes out must be what comes out of an undisturbed world, number for number."""
    world = disturbed(steps, owner)
    until_us = world.broker.now_us + SETTLE_US
    settle(world, until_us)
    mine = found(world)
    check_balance(world, mine.windows)
    true = undisturbed(tuple(world.raw), until_us)
    _same("windows", mine.windows, true.windows)
    _same("anomalies", mine.anomalies, true.anomalies)
    _same("incidents", mine.incidents, true.incidents)


def disturbed(steps: Iterable[Step], owner: type[LogOwner]) -> World:
    world = World(owner)
    for step in (WARM_UP, *steps):
        step.apply(world)
        check_counts(world)
    world.heal()
    return world


@lru_cache(maxsize=4)
def undisturbed(raw: tuple[Raw, ...], until_us: int) -> Found:
    """Nothing goes wrong, and everybody keeps up, over the same raw log with its append times.

    Most of what is done to a world leaves this log as it is.
    """
    world = World()
    for record in raw:
        world.pass_quietly(record.at_us)
        world.take(record)
    settle(world, until_us)
    return found(world)


def settle(world: World, until_us: int) -> None:
    world.run_until_quiet()
    world.pass_quietly(until_us - END_US)
    world.broker.advance(END_US)
    world.run_until_quiet()
    check_counts(world)
    check_watermarks(world)


def _same(what: str, mine: Mapping[K, V], true: Mapping[K, V]) -> None:
    for key in sorted(mine.keys() | true.keys(), key=str):
        if mine.get(key) != true.get(key):
            raise BrokenRuleError(
                f"{what} {key}: {mine.get(key)}, undisturbed it is {true.get(key)}"
            )
