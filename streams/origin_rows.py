"""Columns of ``Origins`` in, a row for each origin out."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from streams.schemas.base import Record
from streams.schemas.origins import Doubtful, Origins
from streams.schemas.system import Quality

COUNTS: Final = ("records", "late", "far_future", "dead", "repeated_frames", "lost_frames")


class Row(Record, frozen=True, kw_only=True):
    """What one origin sent to one source partition in ten seconds."""

    from_us: int
    lateness_s: float
    records: int
    late: int = 0
    far_future: int = 0
    dead: int = 0
    repeated_frames: int = 0
    lost_frames: int = 0
    least_behind_us: int = 0
    doubtful: tuple[Doubtful, ...] = ()


def rows_of(quality: Quality) -> Iterator[tuple[str, Row]]:
    """The name of each origin that is spoken of, and its row."""
    origins = quality.origins or Origins(from_us=quality.at_us)
    sent = [name for name in (*COUNTS, "least_behind_us") if getattr(origins, name)]
    doubtful: defaultdict[int, list[Doubtful]] = defaultdict(list)
    for one in origins.doubtful:
        doubtful[one.origin].append(one)
    for place, name in enumerate(origins.names):
        yield (
            name,
            Row(
                from_us=origins.from_us,
                lateness_s=quality.lateness_s,
                doubtful=tuple(doubtful[place]),
                **{"records": 0} | {column: getattr(origins, column)[place] for column in sent},
            ),
        )
