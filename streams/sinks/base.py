"""What a sink is: a place that takes points, and overwrites a point it already holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from streams.schemas.base import Record
from streams.settings import SinkSettings

FieldValue = bool | int | float | str


class Point(Record, frozen=True, kw_only=True):
    """One fact at one instant; ``identity`` comes from the data, so writing it again overwrites.

    tags: few distinct values each, never empty. fields: at least one, numbers finite; the type of a
    field never changes within a measurement.
    """

    measurement: str
    at_us: int
    """Event time, microseconds UTC."""
    tags: dict[str, str]
    fields: dict[str, FieldValue]

    @property
    def identity(self) -> tuple[str, tuple[tuple[str, str], ...], int]:
        return self.measurement, tuple(sorted(self.tags.items())), self.at_us


@dataclass(frozen=True, slots=True)
class BadPoint:
    """A point the destination will never take, and what it said."""

    point: Point
    reason: str


class Sink(Protocol):
    """A destination of points. Methods block and are called from one thread at a time."""

    name: str
    """Its name in the table, in metrics and in errors."""
    batch_points: int
    """The most points it wants in one ``write``."""

    @classmethod
    def from_settings(cls, settings: SinkSettings) -> Self | None:
        """None where the settings leave it switched off. Touches neither disk nor network."""
        ...

    def write(self, points: Sequence[Point]) -> Sequence[BadPoint]:
        """Store the points so that they survive this process; return those that cannot be stored.

        Writing a point again overwrites it. Raises SinkUnavailableError when nothing can be said
        of the points: write them all again later.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections; a later ``write`` opens them again."""
        ...
