"""What series of a kind have shown at several sites in, as one out: aggregates, no readings."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detectors.kin import ALIKE, Kind, Known, by_kind, known, merged
from detectors.panel import Group, Panel
from streams.errors import InvalidParameterError
from streams.schemas.anomalies import SeriesKind

Panels = Mapping[SeriesKind, Panel]
Place = tuple[SeriesKind, tuple[str, ...], Kind]
"""Series kind, what its series are summed up by, and what alike ones share but for the cluster."""


@dataclass(slots=True, kw_only=True)
class Knowledge:
    """What a site knows that holds elsewhere, or several sites together.

    meaning: of the settings it was learned under; under others it says nothing.
    """

    meaning: str
    known: list[tuple[Place, Known]] = field(default_factory=list)
    schema: Literal[1] = 1


def knowledge_of(panels: Panels, meaning: str) -> Knowledge:
    """What the series of one site have shown."""
    found = [
        ((kind, group.by, alike[1:]), known(group.jury, np.array(rows)))
        for kind, group in _groups(panels)
        for alike, rows in by_kind(group.roster, ALIKE[kind], group.roster.rows).items()
    ]
    return Knowledge(meaning=meaning, known=found)


def together(panels: Panels, sites: Iterable[Knowledge]) -> Knowledge:
    """As if one site had seen what all have; of ``panels`` only the detectors matter.

    Raises InvalidParameterError for sites that judge by different settings.
    """
    by_place: dict[Place, list[Known]] = {}
    meanings = set()
    for site in sites:
        meanings.add(site.meaning)
        for place, one in site.known:
            by_place.setdefault(place, []).append(one)
    if len(meanings) != 1:
        raise InvalidParameterError("sites", sorted(meanings), "of the same detectors and windows")
    found = [
        (place, merged(group.jury, everywhere))
        for kind, group in _groups(panels)
        for place, everywhere in by_place.items()
        if place[:2] == (kind, group.by)
    ]
    return Knowledge(meaning=meanings.pop(), known=found)


def teach(panels: Panels, knowledge: Knowledge) -> None:
    """Newcomers without kin of their own begin with it."""
    for kind, group in _groups(panels):
        mine = (pair for pair in knowledge.known if pair[0][:2] == (kind, group.by))
        group.elsewhere = {alike: one for (_, _, alike), one in mine}


def _groups(panels: Panels) -> Iterator[tuple[SeriesKind, Group]]:
    for kind in ALIKE:
        for group in panels[kind].groups:
            yield kind, group
