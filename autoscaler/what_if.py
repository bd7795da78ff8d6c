"""A situation in, what would have been decided in it under other settings out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from autoscaler.budget import KEPT_TIMES, of_other_budget
from autoscaler.decide import decide
from autoscaler.situation import Situation
from streams.schemas.base import Record
from streams.schemas.scaling import Quantile

SAME_QUANTILE: Final = 0.005


class Otherwise(Record, frozen=True, kw_only=True, omit_defaults=False):
    """What would have been decided in the same situation under another setting."""

    setting: str
    desired: int
    why: str
    """The last part of the reason."""


def others(situation: Situation) -> Iterator[Otherwise]:
    """Each setting is changed alone; all but the first let the planner act, so that it shows."""
    for setting, other in _settings(situation):
        decision = decide(other)
        why = decision.reason.rpartition("; ")[2].removeprefix(f"{decision.desired}: ")
        yield Otherwise(setting=setting, desired=decision.desired, why=why)


def _settings(situation: Situation) -> Iterator[tuple[str, Situation]]:
    free = replace(situation, ladder="full", dry_run=False, order=None)
    yield "the planner alone (full, no dry run, no order)", free
    for times, said in ((0.5, "half"), (2.0, "twice")):
        if other := _of_budget(free, times):
            yield f"{said} the budget of misses (p{other.quantile * 100:.3g})", other
    yield "scale_down_after_s 0", replace(free, scale_down_after_s=0.0, highest_recent=0)
    if free.low < free.high:
        yield f"min_replicas {free.low + 1}", replace(free, low=free.low + 1)
        yield f"max_replicas {free.high - 1}", replace(free, high=free.high - 1)
    yield f"max_replicas {free.high + 1}", replace(free, high=free.high + 1)
    if free.slots > 1:
        yield f"{free.slots - 1} slots a replica", replace(free, slots=free.slots - 1)
    yield f"{free.slots + 1} slots a replica", replace(free, slots=free.slots + 1)


def _of_budget(situation: Situation, times: float) -> Situation | None:
    """Planned for the quantiles that such a budget comes to, if they were recorded."""
    planned = _recorded(situation, times)
    kept = _recorded(situation, times * KEPT_TIMES)
    if planned is None or kept is None:
        return None
    return replace(
        situation,
        quantile=planned.q,
        upper=planned.value,
        kept=kept.value,
        miss_budget_ratio=situation.miss_budget_ratio * times,
    )


def _recorded(situation: Situation, times: float) -> Quantile | None:
    wanted = of_other_budget(situation.quantile, times)
    recorded = situation.forecast.quantiles if situation.forecast else ()
    return next((one for one in recorded if abs(one.q - wanted) <= SAME_QUANTILE), None)
