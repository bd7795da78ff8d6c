"""What became of anomalies in, which part of the budget each detector gets out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats
from detectors.member import FIXED
from detectors.settings import DetectorSettings
from streams.schemas.anomalies import Anomaly
from streams.schemas.telemetry import Change

DAY_US: Final = 86_400_000_000
WITHIN_US: Final = 60_000_000
"""A fact so long before an anomaly begins, or after it was last seen, proves it right."""
PRIOR: Final = 4.0
"""So many anomalies that were right, and as many that were wrong, every detector starts with."""
MOST: Final = 8.0
"""A detector gets at most so many times the share of others, or at least this part of it."""
STEP: Final = 2.0
"""In a day a share at most doubles, or halves."""
MAX_TOLD: Final = 2_000
"""Anomalies remembered; the oldest makes room, and what it earned is forgotten with it."""
MAX_POOLS: Final = 1_000

Name = tuple[str, str]
"""(detector, feature) such as (`ewma`, `engine.ttft_s_mean`)"""
Pool = tuple[str, str]
"""(cluster, pool)"""


@dataclass(slots=True)
class _Told:
    name: Name
    pool: Pool
    seen_us: int
    """Start of the newest window in which it was anomalous."""
    proven: bool = False
    verdict: str = ""
    """`right` or `wrong`, as people last said."""

    @property
    def was_right(self) -> bool:
        return self.verdict == "right" or (self.proven and self.verdict != "wrong")


@dataclass(slots=True, kw_only=True)
class WorthState:
    """Everything a snapshot has to keep."""

    told: dict[str, _Told] = field(default_factory=dict)
    """By id of the anomaly, the one told of first first."""
    fact_us: dict[Pool, int] = field(default_factory=dict)
    """When something that needs no learning was last wrong there."""
    in_force: dict[Name, float] = field(default_factory=dict)
    day: int = 0
    schema: Literal[1] = 1


class Worth:
    """Detectors that were right get a greater part of the budget of false pages, others a smaller.

    ``earned = (4 + right) / (4 + wrong)``, within 1/8 and 8, over the anomalies remembered. Right
    is what people called right, and what a fact proved: in the same pool a rule with a fixed
    meaning was broken (an SLO, restarts, XID), or a replica was lost. Wrong is what people called
    wrong; they have the last word, and what they withdraw is as if never said. What nobody spoke
    of, and nothing proved, counts for nothing. What is in force follows in steps, once a day of
    event time.
    """

    def __init__(self) -> None:
        self.state = WorthState()

    def hear(self, found: Iterable[Anomaly]) -> None:
        """Anomalies as they are told, also again."""
        for one in found:
            pool = _pool(one.labels)
            if one.detector in FIXED:
                self._prove(pool, one.at_us)
            else:
                self._remember(one, pool)

    def take(self, change: Change) -> None:
        """A verdict, or word that a replica was lost."""
        if change.kind == "replica_lost":
            self._prove((change.cluster, change.pool), change.at_us)
        told = self.state.told.get(change.attributes.get("anomaly", ""))
        if change.kind == "feedback" and told is not None:
            verdict = change.attributes.get("verdict", "")
            told.verdict = verdict if verdict in {"right", "wrong"} else ""

    def advance(self, at_us: int) -> None:
        """On a new day every share moves towards what was earned."""
        state, day = self.state, at_us // DAY_US
        if day <= state.day:
            return
        state.day = day
        earned = self.earned()
        for name in sorted(earned.keys() | state.in_force.keys()):
            now = state.in_force.get(name, 1.0)
            state.in_force[name] = float(np.clip(earned.get(name, 1.0), now / STEP, now * STEP))

    def earned(self) -> dict[Name, float]:
        """By detector and feature, what it would be without steps."""
        tally: dict[Name, list[int]] = {}
        for told in self.state.told.values():
            right, wrong = tally.get(told.name, (0, 0))
            tally[told.name] = [right + told.was_right, wrong + (told.verdict == "wrong")]
        return {
            name: float(np.clip((PRIOR + right) / (PRIOR + wrong), 1 / MOST, MOST))
            for name, (right, wrong) in tally.items()
        }

    def shares(self, detectors: Sequence[DetectorSettings]) -> Floats:
        """By detector, how many times an equal share of the budget it gets; 1 in the mean."""
        learned = np.array([one.kind not in FIXED for one in detectors], np.bool_)
        shares = np.ones(learned.size)
        if not self.state.in_force:
            return shares
        shares[:] = [self._in_force(one) for one in detectors]
        return np.where(learned, shares / shares[learned].mean() if learned.any() else 1.0, 1.0)

    def _in_force(self, detector: DetectorSettings) -> float:
        """Of several values the mean of what it earned with each that it told of."""
        names = [(detector.kind, f"{detector.series}.{value}") for value in detector.values]
        parts = [self.state.in_force[name] for name in names if name in self.state.in_force]
        return sum(parts) / len(parts) if parts else 1.0

    def _remember(self, one: Anomaly, pool: Pool) -> None:
        state = self.state
        told = state.told.setdefault(one.id, _Told((one.detector, one.feature), pool, one.at_us))
        told.seen_us = max(told.seen_us, one.at_us)
        told.proven |= state.fact_us.get(pool, -WITHIN_US) >= one.started_at_us - WITHIN_US
        if len(state.told) > MAX_TOLD:
            del state.told[next(iter(state.told))]

    def _prove(self, pool: Pool, at_us: int) -> None:
        facts = self.state.fact_us
        facts[pool] = max(facts.pop(pool, 0), at_us)
        if len(facts) > MAX_POOLS:
            del facts[next(iter(facts))]
        for told in self.state.told.values():
            told.proven |= told.pool == pool and told.seen_us >= at_us - WITHIN_US


def _pool(labels: Mapping[str, str]) -> Pool:
    return labels.get("cluster", ""), labels.get("pool", "")
