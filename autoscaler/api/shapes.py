"""Answers that are no records of a topic."""

from autoscaler.api.series_store import Line
from autoscaler.decide import decide_again
from streams.schemas.base import Record
from streams.schemas.scaling import Decision, Forecast
from streams.windows.features import VALUES


class Explanation(Record, frozen=True, kw_only=True, omit_defaults=False):
    """Why a pool has the size it has."""

    cluster: str
    pool: str
    at_us: int
    current: int
    proposed: int
    desired: int
    sentence: str
    steps: tuple[str, ...]
    """The proposal, then each guard that changed it."""
    guards: tuple[str, ...]
    forecast: Forecast | None
    inputs: dict[str, float]
    """The numbers it was made from."""
    desired_again: int | None
    """The outcome when decided once more from these inputs: always the same as ``desired``, unless
    the planner that decided was of another version."""


class SeriesLine(Record, frozen=True, kw_only=True, omit_defaults=False):
    """One value of one series; ``values[i]`` is of the window that starts at ``at_us[i]``."""

    kind: str
    labels: dict[str, str]
    value: str
    unit: str
    at_us: tuple[int, ...]
    values: tuple[float | None, ...]
    """null where nothing was seen."""


def explain(decision: Decision) -> Explanation:
    return Explanation(
        cluster=decision.cluster,
        pool=decision.pool,
        at_us=decision.at_us,
        current=decision.current,
        proposed=decision.proposed,
        desired=decision.desired,
        sentence=decision.reason,
        steps=tuple(decision.reason.split("; ")),
        guards=decision.guards,
        forecast=decision.forecast,
        inputs=decision.inputs,
        desired_again=_again(decision),
    )


def _again(decision: Decision) -> int | None:
    try:
        return decide_again(decision).desired
    except KeyError:  # decided by a version with other inputs
        return None


def unit_of(kind: str, value: str) -> str | None:
    """The unit of a value of the catalogue; None if there is no such value."""
    values = VALUES.get("request" if kind == "pool" else kind, ())
    return next((one.unit for one in values if one.name == value), None)


def shown(line: Line, unit: str) -> SeriesLine:
    return SeriesLine(
        kind=line.kind,
        labels=dict(line.labels),
        value=line.value,
        unit=unit,
        at_us=tuple(line.at_us.tolist()),
        values=tuple(None if v != v else v for v in line.values.tolist()),  # noqa: PLR0124 - NaN
    )
