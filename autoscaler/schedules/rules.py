"""A schedule and the bounds of its pool in, a rule out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from autoscaler.demand import PoolKey
from autoscaler.schedules.settings import ScheduleSettings
from model_backend.settings import PoolSettings
from streams.errors import InvalidParameterError
from streams.schemas.incidents import Rule
from streams.schemas.schedules import Schedule

SETTINGS: Final = "settings"
"""Who set the schedules that stand in the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What settings allow a pool, and where it stands now."""

    low: int
    high: int
    standing: int


def schedule_id(cluster: str, pool: str, name: str) -> str:
    return f"schedule:{cluster}/{pool}/{name}"


def schedule_rule(rule: Rule, schedule: Schedule, bounds: Bounds) -> Rule:
    """``rule`` as that of the schedule; it ends with it.

    Raises InvalidParameterError for sizes beyond the bounds, or if it is over already.
    """
    for name in ("min_replicas", "max_replicas"):
        asked = getattr(schedule, name)
        if asked is not None and not bounds.low <= asked <= bounds.high:
            allowed = f"{bounds.low} to {bounds.high}, the bounds of pool {rule.pool}"
            raise InvalidParameterError(f"{name} of schedule {rule.name}", asked, allowed)
    if schedule.until_us is not None and schedule.until_us <= rule.at_us:
        raise InvalidParameterError(f"end of schedule {rule.name}", schedule.until_us, "to come")
    return rule.but(
        id=schedule_id(rule.cluster, rule.pool, rule.name),
        kind="schedule",
        schedule=schedule,
        expires_at_us=schedule.until_us,
    )


def declared(
    schedules: Sequence[ScheduleSettings], pools: Mapping[PoolKey, PoolSettings], now_us: int
) -> Iterator[Rule]:
    """The rules of the settings, without those that are over.

    Raises InvalidParameterError for a pool that is not there and sizes beyond its bounds.
    """
    named = {pool.name: pool for pool in pools.values()}
    for one in schedules:
        pool = named.get(one.pool)
        if pool is None:
            raise InvalidParameterError("scaling.schedules", one.pool, "names of backend.pools")
        schedule = one.schedule()
        if schedule.until_us is not None and schedule.until_us <= now_us:
            continue
        bounds = Bounds(low=pool.min_replicas, high=pool.max_replicas, standing=0)
        rule = Rule(
            id="",
            kind="schedule",
            at_us=now_us,
            actor=SETTINGS,
            cluster=pool.cluster,
            pool=pool.name,
            name=one.name,
        )
        yield schedule_rule(rule, schedule, bounds)
