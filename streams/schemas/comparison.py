"""What a day under the present scaler cost and missed, and what our plan would have."""

from streams.schemas.base import Record
from streams.schemas.scaling import Ladder


class Side(Record, frozen=True, kw_only=True):
    """One of the two scalers, by the same model of the pool."""

    gpu_hours: float
    """Replica hours where replicas have no GPUs; starting and draining ones count."""
    missed: float
    """Requests, estimated; each side by the same arrivals and serving times."""
    worst_at_us: int = 0
    """Begin of the ten minutes in which the largest share was missed; 0: none was."""
    worst_missed_ratio: float = 0.0


class Comparison(Record, frozen=True, kw_only=True):
    """One pool on one day, while the planner did not act. Key on `comparisons`: its id."""

    id: str
    """`cluster/pool/2026-11-25`, by UTC."""
    at_us: int
    """Of the last second in it: today's grows until the day is over."""
    cluster: str
    pool: str
    day: str
    ladder: Ladder
    hours: float
    """Of the day, that were compared."""
    arrived: int
    missed: int
    """Requests that were really missed, under the present scaler."""
    present: Side
    planned: Side
    sentence: str
