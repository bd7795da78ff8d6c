"""Records about who sends: what each origin of a source partition did in ten seconds."""

from typing import Final

from streams.schemas.base import Record

INTERVAL_S: Final = 10
"""Origins are told of once in this many seconds of append time."""


class Doubtful(Record, frozen=True, kw_only=True):
    """Values of one field of one origin of which some are out of the ordinary (``ranges.py``)."""

    origin: int
    """Its place in ``Origins.names``."""
    field: str
    values: int
    """All that came, other than 0, from the first doubtful one of the interval on."""
    doubtful: int
    """Among them, implausible ones too."""
    implausible: int
    least: float
    most: float
    """Of the doubtful ones."""


class Origins(Record, frozen=True, kw_only=True):
    """Who sent to a source partition in ten seconds, as columns: place i is of ``names[i]``.

    An origin is the producer of a frame; of other messages the pool, replica or node that a record
    speaks of; empty where a message could not be read. A column of zeros is left out.
    """

    from_us: int
    """Append time at which the ten seconds began."""
    names: tuple[str, ...] = ()
    records: tuple[int, ...] = ()
    late: tuple[int, ...] = ()
    far_future: tuple[int, ...] = ()
    dead: tuple[int, ...] = ()
    repeated_frames: tuple[int, ...] = ()
    lost_frames: tuple[int, ...] = ()
    """By their numbers; below 0 where frames came that had been missing."""
    least_behind_us: tuple[int, ...] = ()
    """Append time less event time, the least of all records that are not far in the future, if
    there is one: what its clock is behind, and the way to the log."""
    doubtful: tuple[Doubtful, ...] = ()
