"""Series of a kind in, what a new one of that kind begins with out: nobody starts from nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.banks.base import Rows, picked
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


@dataclass(frozen=True, slots=True)
class Known:
    """What series of a kind have shown, as if they were one.

    members: states of banks, in the order of the jury; None where a bank cannot tell.
    """

    members: Sequence[Any]
    calibration: CalibrationState


def known(jury: Jury, rows: Rows) -> Known:
    """What those rows have shown."""
    calibration = jury.calibration
    return Known(
        [member.known(rows) for member in jury.members],
        calibration.merged(picked(calibration.state, rows)),
    )


def inherit(jury: Jury, newcomers: Sequence[int], kin: Known) -> None:
    """Rows that were just admitted begin with what is known of their kind."""
    for member, state in zip(jury.members, kin.members, strict=True):
        member.inherit(newcomers, state)
    pooled = np.array([member.settings.pooled for member in jury.members])
    for row in newcomers:
        jury.calibration.inherit(row, kin.calibration, pooled)


def families(
    roster: Roster, names: Sequence[str], new: Sequence[int]
) -> Iterator[tuple[Kind, list[int], Rows]]:
    """Of each kind that has newcomers: its labels, the newcomers, and up to ``MOST`` others."""
    newcomers = _by_kind(roster, names, new)
    others = _by_kind(roster, names, sorted(set(roster.row_of.values()) - set(new)))
    for kind, rows in newcomers.items():
        yield kind, rows, np.array(others.get(kind, [])[:MOST], np.int64)


def _by_kind(roster: Roster, names: Sequence[str], rows: Sequence[int]) -> dict[Kind, list[int]]:
    found: dict[Kind, list[int]] = {}
    for row in rows:
        labels: Labels = roster.labels[row]
        found.setdefault(tuple(labels.get(name, "") for name in names), []).append(row)
    return found
