"""How far behind each stage is, from the newest instant seen in what it writes."""

from collections.abc import Mapping
from typing import Final, Literal

from streams.clock import SECOND_US
from streams.schemas.base import Record

LATE_AFTER_S: Final = 15.0
SILENT_AFTER_S: Final = 60.0

HealthState = Literal["ok", "late", "silent", "waiting"]


class StageHealth(Record, frozen=True, kw_only=True, omit_defaults=False):
    """One stage, or one shard of it."""

    stage: str
    shard: int | None = None
    state: HealthState
    """`late` after 15 s, `silent` after 60 s without progress, `waiting` before the first sign."""
    lag_s: float | None = None
    """Now less the newest instant that its output speaks of."""


class Health(Record, frozen=True, kw_only=True, omit_defaults=False):
    """The whole chain as the view sees it."""

    status: Literal["ok", "degraded", "starting"]
    sentence: str
    at_us: int
    stages: tuple[StageHealth, ...]


def assess(newest_us: Mapping[tuple[str, int | None], int | None], now_us: int) -> Health:
    """``newest_us``: (stage, shard) -> newest instant in its output, None before the first."""
    stages = tuple(
        _stage(stage, shard, newest, now_us) for (stage, shard), newest in newest_us.items()
    )
    troubled = [stage for stage in stages if stage.state in {"late", "silent"}]
    waiting = [stage for stage in stages if stage.state == "waiting"]
    if troubled:
        return Health(status="degraded", sentence=_sentence(troubled), at_us=now_us, stages=stages)
    if waiting:
        return Health(status="starting", sentence=_sentence(waiting), at_us=now_us, stages=stages)
    return Health(status="ok", sentence="every stage is up to date", at_us=now_us, stages=stages)


def _stage(stage: str, shard: int | None, newest_us: int | None, now_us: int) -> StageHealth:
    if newest_us is None:
        return StageHealth(stage=stage, shard=shard, state="waiting")
    lag_s = max(0.0, (now_us - newest_us) / SECOND_US)
    state: HealthState = "ok"
    if lag_s > SILENT_AFTER_S:
        state = "silent"
    elif lag_s > LATE_AFTER_S:
        state = "late"
    return StageHealth(stage=stage, shard=shard, state=state, lag_s=round(lag_s, 1))


def _sentence(stages: list[StageHealth]) -> str:
    return "; ".join(
        f"{_name(stage)} has not been heard of yet"
        if stage.lag_s is None
        else f"{_name(stage)} is {stage.lag_s:g} s behind"
        for stage in stages
    )


def _name(stage: StageHealth) -> str:
    return stage.stage if stage.shard is None else f"{stage.stage} shard {stage.shard}"
