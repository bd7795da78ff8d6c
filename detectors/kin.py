"""Series of a kind in, what a new one of that kind begins with out: nobody starts from nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from detectors.banks.base import Rows, picked, stacked
from detectors.calibrate import CalibrationState
from detectors.jury import Jury
from detectors.roster import Labels, Roster
from streams.schemas.anomalies import SeriesKind

ALIKE: Final[Mapping[SeriesKind, tuple[str, ...]]] = {
    "engine": ("cluster", "pool"),
    "gpu": ("cluster", "model", "pool"),
}
"""Labels that kin share. A pool is one model on one hardware in one role; who sends requests is
like nobody else."""
MOST: Final = 64
"""So many kin are asked: more know no better, and it is done whenever a replica starts."""

Kind = tuple[str, ...]


@dataclass(slots=True)
class Known:
    """What series of a kind have shown, as if they were one; nothing in it tells them apart.

    members: packed states of banks by number in the jury, but for those that do not add up.
    """

    members: dict[int, msgspec.Raw]
    calibration: CalibrationState


def known(jury: Jury, rows: Rows) -> Known:
    """What those rows have shown."""
    calibration = jury.calibration
    states = ((at, member.known(rows)) for at, member in enumerate(jury.members))
    return Known(
        {at: state for at, state in states if state is not None},
        calibration.merged(picked(calibration.state, rows)),
    )


def merged(jury: Jury, everywhere: Sequence[Known]) -> Known:
    """The same of what is known in several places."""
    calibration = jury.calibration.merged(stacked([one.calibration for one in everywhere]))
    numbers = sorted(set().union(*(one.members for one in everywhere)))
    return Known(
        {
            at: jury.members[at].merged([x.members[at] for x in everywhere if at in x.members])
            for at in numbers
        },
        calibration,
    )


def inherit(jury: Jury, newcomers: Sequence[int], kin: Known) -> None:
    """Rows that were just admitted begin with what is known of their kind."""
    for at, state in kin.members.items():
        jury.members[at].inherit(newcomers, state)
    pooled = np.array([member.settings.pooled for member in jury.members])
    for row in newcomers:
        jury.calibration.inherit(row, kin.calibration, pooled)


def families(
    roster: Roster, names: Sequence[str], new: Sequence[int]
) -> Iterator[tuple[Kind, list[int], Rows]]:
    """Of each kind that has newcomers: its labels, the newcomers, and up to ``MOST`` others."""
    newcomers = by_kind(roster, names, new)
    others = by_kind(roster, names, sorted(set(roster.rows) - set(new)))
    for kind, rows in newcomers.items():
        yield kind, rows, np.array(others.get(kind, [])[:MOST], np.int64)


def by_kind(roster: Roster, names: Sequence[str], rows: Sequence[int]) -> dict[Kind, list[int]]:
    """The rows that share the labels ``names``, by their values."""
    found: dict[Kind, list[int]] = {}
    for row in rows:
        labels: Labels = roster.labels[row]
        found.setdefault(tuple(labels.get(name, "") for name in names), []).append(row)
    return found
