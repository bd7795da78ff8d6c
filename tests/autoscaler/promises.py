"""What the guards promise, over many decisions at once: situations and decisions as columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from autoscaler.decide import decide
from autoscaler.guards import GUARDS, MAX_FAILED_STARTS, Guard
from autoscaler.idle import why_not_zero
from autoscaler.plan import for_backlog, for_forecast
from autoscaler.situation import Situation

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A row a situation and what was decided in it."""

    standing: Ints
    low: Ints
    high: Ints
    least: Ints
    """And by schedules,"""
    most: Ints
    """within those two."""
    proposed: Ints
    desired: Ints
    wanted: Ints
    called_for: Ints
    """The most that was called for lately, also by who is there now."""
    affordable: Ints
    """What stands, and what the GPUs left of this hour add."""
    ordered: Ints
    """By a person; -1 where nobody did."""
    granted: Ints
    """Of the GPUs that pools share; as many as there may be where they share none."""
    spare: Ints
    """Granted beyond what was asked for, because others may be lost; else 0."""
    honest: Ints
    """Called for without clients that are not trusted."""
    flooded: Flags
    """There are such."""
    busy: Flags
    """Not idle for long enough to do without a replica."""
    full: Flags
    may_raise: Flags
    dry_run: Flags
    doubtful: Flags
    """Figures are missing or old, or an incident blocks."""
    young: Flags
    """Not watched for long enough."""
    at_will: Flags
    """Neither other pools nor an exploration take replicas away."""
    pointless: Flags
    """More replicas fail before they are ready, or bring nothing."""
    named: Flags
    """Each change of the proposal has a guard's name."""

    @property
    def told(self) -> Flags:
        """A person's order is carried out."""
        return (self.ordered >= 0) & ~self.dry_run

    @property
    def free(self) -> Flags:
        """Numbers alone decide."""
        return self.full & ~self.dry_run & ~self.told

    @property
    def left_alone(self) -> Flags:
        return np.equal(self.desired, self.standing)

    @property
    def stays(self) -> Ints:
        """What stands, or as much of it as a person's most allows: that wins over doubt."""
        return np.minimum(self.standing, self.most)


def decided(situations: Sequence[Situation], guards: Sequence[Guard] = GUARDS) -> Decided:
    rows = [_row(situation, guards) for situation in situations]
    return Decided(**{name: np.array([row[name] for row in rows]) for name in rows[0]})


def _row(situation: Situation, guards: Sequence[Guard]) -> Mapping[str, float]:
    decision = decide(situation, guards)
    order, allotment, high = situation.order, situation.allotment, situation.high
    asked, granted = (allotment.asked, allotment.replicas) if allotment else (high, high)
    plan = situation.scheduled
    budget = max(0, situation.gpus_per_hour - situation.gpus_ordered)
    open_s = min((block.open_s for block in situation.blocks), default=np.inf)
    return {
        "standing": situation.standing,
        "low": situation.low,
        "high": high,
        "least": min(max(situation.low, plan.low if plan else 0), high),
        "most": _within(situation, plan.high) if plan and plan.high is not None else high,
        "proposed": decision.proposed,
        "desired": decision.desired,
        "wanted": -1 if decision.wanted is None else decision.wanted,
        "called_for": max(situation.highest_recent, for_backlog(situation)),
        "affordable": situation.standing + budget // situation.gpus_per_replica,
        "ordered": order.replicas if order else -1,
        "granted": granted if granted <= asked else high,
        "spare": granted if granted > asked else 0,
        "honest": max(for_forecast(situation, situation.suspect_demand), for_backlog(situation)),
        "flooded": bool(situation.suspects),
        "busy": bool(why_not_zero(situation)),
        "full": situation.ladder == "full",
        "may_raise": situation.ladder in {"floor", "full"},
        "dry_run": situation.dry_run,
        "doubtful": (
            situation.stalled or situation.data_age_s > 5 or open_s < situation.block_expires_s
        ),
        "young": situation.watched_s < max(60.0, situation.scale_down_after_s),
        "at_will": allotment is None and not situation.explore_s,
        "pointless": (situation.failed_starts >= MAX_FAILED_STARTS or bool(situation.fruitless)),
        "named": decision.desired == decision.proposed or bool(decision.guards),
    }


def _within(situation: Situation, most: int) -> int:
    """A least that somebody asked for wins."""
    plan = situation.scheduled
    return min(max(most, plan.low if plan else 0, situation.low), situation.high)


def _most(*of: Ints) -> Ints:
    most: Ints = np.maximum.reduce(of)
    return most


def never_below_the_least(of: Decided) -> Flags:
    """Unless it is left alone where it stands."""
    least = np.where(of.free, of.least, np.minimum(of.least, of.standing))
    return of.desired >= np.where(of.told, of.low, least)


def never_above_the_most(of: Decided) -> Flags:
    """Unless it is left alone where it stands."""
    most = np.where(of.free, of.most, np.maximum(of.most, of.standing))
    return of.desired <= np.where(of.told, of.high, most)


def what_is_wanted_is_within_both(of: Decided) -> Flags:
    return (of.low <= of.wanted) & (of.wanted <= of.high)


def never_down_on_doubt(of: Decided) -> Flags:
    return of.told | ~of.doubtful | (of.desired >= of.stays)


def never_down_before_it_was_watched(of: Decided) -> Flags:
    return of.told | ~of.young | ~of.at_will | (of.desired >= of.stays)


def never_below_what_was_called_for_lately(of: Decided) -> Flags:
    return of.told | ~of.at_will | (of.desired >= np.minimum(of.stays, of.called_for))


def the_last_goes_only_when_idle(of: Decided) -> Flags:
    least = np.minimum.reduce([np.ones_like(of.desired), of.stays, of.granted])
    return np.asarray(of.told | ~of.busy | (of.desired >= least))


def never_faster_than_the_gpus_of_an_hour(of: Decided) -> Flags:
    """But up to the least that settings and people allow."""
    return of.told | (of.desired <= _most(of.affordable, of.least))


def no_growth_that_is_pointless(of: Decided) -> Flags:
    """But up to the least, and for spares that are asked for."""
    return of.told | ~of.pointless | (of.desired <= _most(of.standing, of.least, of.spare))


def no_growth_for_a_flood(of: Decided) -> Flags:
    most = _most(of.standing, of.least, of.spare, of.honest)
    return of.told | ~of.flooded | (of.desired <= most)


def no_more_than_others_leave(of: Decided) -> Flags:
    """But what stands stays where nothing may be taken away."""
    kept = np.where(of.doubtful | ~of.full | of.dry_run, of.standing, 0)
    return of.told | (of.desired <= _most(of.granted, of.least, kept))


def a_dry_run_leaves_alone(of: Decided) -> Flags:
    return ~of.dry_run | of.left_alone


def so_does_who_only_looks_on(of: Decided) -> Flags:
    return of.told | of.may_raise | of.left_alone


def the_floor_only_raises(of: Decided) -> Flags:
    return of.told | of.full | (of.desired >= of.standing)


def a_person_wins_within_the_bounds(of: Decided) -> Flags:
    return ~of.told | np.equal(of.desired, np.clip(of.ordered, of.low, of.high))


def whoever_changes_it_says_so(of: Decided) -> Flags:
    return of.named


Promise = Callable[[Decided], Flags]

PROMISES: Final[Sequence[Promise]] = (
    never_below_the_least,
    never_above_the_most,
    what_is_wanted_is_within_both,
    never_down_on_doubt,
    never_down_before_it_was_watched,
    never_below_what_was_called_for_lately,
    the_last_goes_only_when_idle,
    never_faster_than_the_gpus_of_an_hour,
    no_growth_that_is_pointless,
    no_growth_for_a_flood,
    no_more_than_others_leave,
    a_dry_run_leaves_alone,
    so_does_who_only_looks_on,
    the_floor_only_raises,
    a_person_wins_within_the_bounds,
    whoever_changes_it_says_so,
)
