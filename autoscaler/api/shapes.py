"""Answers that are no records of a topic."""

from autoscaler.api.series_store import Line
from streams.schemas.base import Record
from streams.windows.features import VALUES


class SeriesLine(Record, frozen=True, kw_only=True, omit_defaults=False):
    """One value of one series; ``values[i]`` is of the window that starts at ``at_us[i]``."""

    kind: str
    labels: dict[str, str]
    value: str
    unit: str
    at_us: tuple[int, ...]
    values: tuple[float | None, ...]
    """null where nothing was seen."""


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
