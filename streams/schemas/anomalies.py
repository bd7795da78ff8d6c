"""What WATCH finds: one series' feature outside what was expected of it."""

from typing import Literal

import msgspec

from streams.schemas.base import Record

SeriesKind = Literal["request", "engine", "gpu"]


class Anomaly(Record, frozen=True, kw_only=True):
    """One stretch of time in which a feature of a series was anomalous.

    ``id`` comes from series, feature and ``started_at_us``; every update and the end carry the same
    id, newest wins. ``score`` is 1.0 at the boundary.
    """

    id: str
    kind: SeriesKind
    series_id: str
    """Sixteen hex digits."""
    labels: dict[str, str]
    feature: str
    """A value's name in the catalogue, such as ``engine.up_min``."""
    unit: str
    started_at_us: int
    at_us: int
    """Start of the newest window this record speaks of."""
    told_at_us: int = 0
    """End of the window after which this was said: later than ``at_us`` for an end; 0 in records of
    before this field."""
    ended_at_us: int | None = None
    score: float
    peak_score: float
    actual: float
    expected: float
    lower: float | None = None
    upper: float | None = None
    direction: Literal["above", "below"]
    detector: str
    """Table name of the bank that found it, such as ``ewma``."""
    p: float | None = None
    """Upper-tail probability of the raw score under the series' own past, where calibrated."""
    worth: float = 1.0
    """How many times an equal share of the budget the detector had earned, by what it was right and
    wrong about before."""
    carried_by: dict[str, float] = msgspec.field(default_factory=dict)
    """Of a detector on several values, feature -> its share in the score; 1 together."""
    sentence: str = ""
    """`inter-token time p95 is 0.61 s, expected 0.06 to 0.12 s`."""

    @property
    def value_name(self) -> str:
        """The value's name alone, such as ``up_min``."""
        return self.feature.rpartition(".")[2]
