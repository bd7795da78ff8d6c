"""What is said of ours on a set: against the best single peer, its best member, and the goal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from detectors.bench.bootstrap import Difference, paired
from detectors.bench.ours import OURS
from detectors.bench.worth import Worth

MAY_LOSE: Final[Mapping[str, float]] = {"nab": 2.0}
"""To its best member, in the unit of the set's measures; 0.02 where they go up to 1."""
GOALS: Final[Mapping[str, Mapping[str, float]]] = {
    "asd": {"vus_pr": 0.33},
    "ms_cloud": {"recall_0.1": 0.60, "vus_pr": 0.68},
    "nab": {"nab_halves": 65.0},
    "smd": {"vus_pr": 0.52},
}
"""Set -> measure -> what ours is to reach; these measures are what a verdict is given on."""

Worths = Mapping[str, Mapping[str, Worth]]
"""Measure -> contender -> what it is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """best_peer, best_member: the best of them on this very measure, in hindsight."""

    measure: str
    ours: float
    goal: float
    best_peer: str
    over_peer: Difference | None
    best_member: str
    over_member: Difference | None
    may_lose: float

    @property
    def reached(self) -> bool:
        return self.ours >= self.goal

    @property
    def ahead(self) -> bool:
        """The whole interval lies above the best peer."""
        return self.over_peer is not None and self.over_peer.low > 0

    @property
    def keeps_up(self) -> bool:
        """Loses to its best member by no more than it may."""
        return self.over_member is None or self.over_member.value >= -self.may_lose


def verdicts(name: str, worths: Worths, seed: int) -> list[Verdict]:
    """One for each goal of the set that could be measured."""
    found = []
    for measure, goal in GOALS[name].items():
        values = worths.get(measure, {})
        ours = values.get(OURS)
        if ours is None or ours.value is None:
            continue
        members = {who for who in values if who.startswith(f"{OURS}: ")}
        best_peer = _best(values, set(values) - members - {OURS})
        best_member = _best(values, members)
        found.append(
            Verdict(
                measure=measure,
                ours=ours.value,
                goal=goal,
                best_peer=best_peer,
                over_peer=paired(ours, values[best_peer], seed) if best_peer else None,
                best_member=best_member,
                over_member=paired(ours, values[best_member], seed) if best_member else None,
                may_lose=MAY_LOSE.get(name, 0.02),
            )
        )
    return found


def _best(values: Mapping[str, Worth], names: set[str]) -> str:
    return max(sorted(names), key=lambda who: values[who].value or 0.0, default="")
