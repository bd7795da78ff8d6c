"""A fault, a magnitude and a seed in; what the detectors made of it, beside its twin, out."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.laboratory.chain import Chain, Told
from detectors.laboratory.cluster import Cluster, drawn_cluster
from detectors.laboratory.demand import Demand
from detectors.laboratory.drivers import Drivers
from detectors.laboratory.fault import Fault, Kind, Place, drawn_place
from detectors.laboratory.objective import Kept, kept
from detectors.laboratory.readings import Readings
from detectors.laboratory.simulation import Simulation
from detectors.settings import DetectionSettings
from streams.schemas.incidents import Incident

BEFORE_S: Final = 900
"""What detectors have seen of a cluster before anything is done to it."""
ONSET_S: Final = 30
"""The onset lies somewhere in so many seconds: windows of GPUs are ten seconds long."""
HOUR_S: Final = 3_600
NAMED_WITHIN_S: Final = 30
"""So long an incident may sharpen its cause before it is asked for it."""

Traffic = Callable[[int, int], Demand]
"""(first second, seconds) -> its requests, counted from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Of one trial; delays are from the onset to when an incident is published, None for never.

    found_s: any incident that the twin has not. paged_s: one that disturbs somebody.
    """

    fault: str
    kind: Kind
    magnitude: float
    seed: int
    onset_s: int
    target: str
    found_s: float | None = None
    paged_s: float | None = None
    right_subject: bool = False
    right_cause: bool = False
    said: tuple[str, ...] = ()

    def sentence(self) -> str:
        found = "not found" if self.found_s is None else f"found after {self.found_s:.0f} s"
        said = f": {'; '.join(self.said)}" if self.said else ""
        return f"{self.fault} {self.magnitude:g} at {self.target}, seed {self.seed}: {found}{said}"


class Bench:
    """One cluster with its past, on which faults are laid one after the other; all from ``seed``.

    settings: of the detectors; None for the default ones.
    teams: who share it, each with pools of its own.
    """

    def __init__(
        self,
        seed: int,
        traffic: Callable[[np.random.Generator, Cluster], Traffic],
        settings: DetectionSettings | None = None,
        *,
        teams: int = 1,
    ) -> None:
        rng = np.random.default_rng([seed, 1])
        self.seed = seed
        self.cluster = drawn_cluster(rng, teams)
        self.onset = int(rng.integers(ONSET_S))
        self._traffic = traffic(rng, self.cluster)
        self._simulation = Simulation(self.cluster, np.random.default_rng([seed, 2]))
        self._chain = Chain(self.cluster, settings)
        before = self.drivers(-BEFORE_S, BEFORE_S)
        for _ in self._chain.take(self._simulation.run(before), ()):
            pass
        self._twins: dict[int, Told] = {}

    def drivers(self, begin_s: int, seconds: int) -> Drivers:
        """As usual, until a fault changes them. Second 0 is the first after the past."""
        return Drivers(
            cluster=self.cluster,
            seconds=seconds,
            demand=self._traffic(begin_s + BEFORE_S, seconds),
            rng=np.random.default_rng([self.seed, 3]),
        )

    def readings(
        self, fault: Fault | None, magnitude: float, seconds: int
    ) -> tuple[Readings, Drivers]:
        """Of a run with the fault, or of its twin."""
        drivers = self.drivers(0, seconds)
        if fault is None:
            return copy.deepcopy(self._simulation).run(drivers), drivers
        place = self.place(fault)
        fault.drive(drivers, place, magnitude)
        readings = copy.deepcopy(self._simulation).run(drivers)
        fault.distort(readings, place, magnitude)
        return readings, drivers

    def place(self, fault: Fault) -> Place:
        rng = np.random.default_rng([self.seed, *fault.name.encode()])
        return drawn_place(self.cluster, fault, self.onset, rng)

    def twin(self, seconds: int) -> Told:
        """What is told of the same time without a fault."""
        if seconds not in self._twins:
            chain = copy.deepcopy(self._chain)
            chain.told = Told()
            for _ in chain.take(self.readings(None, 0, seconds)[0], ()):
                pass
            self._twins[seconds] = chain.told
        return self._twins[seconds]

    def quiet(self, hours: int) -> Iterator[tuple[Told, Kept]]:
        """After each further hour without a fault: told in all until then, kept in it."""
        chain, simulation = copy.deepcopy(self._chain), copy.deepcopy(self._simulation)
        chain.told = Told()
        for hour in range(hours):
            readings = simulation.run(self.drivers(hour * HOUR_S, HOUR_S))
            for _ in chain.take(readings, ()):
                pass
            yield chain.told, kept(readings)

    def trial(self, fault: Fault, magnitude: float) -> Result:
        seconds = _in_tens(self.onset + fault.after_s)
        known = {_essence(one) for one in self.twin(seconds).incidents.values()}
        readings, drivers = self.readings(fault, magnitude, seconds)
        chain = copy.deepcopy(self._chain)
        chain.told = Told()
        new: list[Incident] = []
        for second in chain.take(readings, drivers.changes):
            new = [one for one in chain.told.incidents.values() if _essence(one) not in known]
            if _is_settled(new, chain.told, fault, second):
                break
        return self._result(fault, magnitude, new, chain.told)

    def _result(self, fault: Fault, magnitude: float, new: list[Incident], told: Told) -> Result:
        place = self.place(fault)
        paged = [told.paged_s[one.id] for one in new if one.id in told.paged_s]
        first = min(new, key=lambda one: (told.opened_s[one.id], one.id), default=None)
        onset_s = BEFORE_S + self.onset
        return Result(
            fault=fault.name,
            kind=fault.kind,
            magnitude=magnitude,
            seed=self.seed,
            onset_s=self.onset,
            target=place.name((*fault.subjects, "pool")[0]),
            found_s=told.opened_s[first.id] - onset_s if first else None,
            paged_s=min(paged) - onset_s if paged else None,
            right_subject=first is not None
            and place.is_meant(fault, first.subject.kind, first.subject.name),
            right_cause=first is not None and first.causes[0].kind in fault.causes,
            said=tuple(f"{one.title} ({one.causes[0].kind})" for one in new),
        )


def _is_settled(new: list[Incident], told: Told, fault: Fault, second: int) -> bool:
    """Found a while ago: what comes later is known. Of benign ones all is looked at."""
    if fault.kind == "benign" or not new:
        return False
    first_s = min(told.opened_s[one.id] for one in new)
    return second + BEFORE_S > first_s + NAMED_WITHIN_S


def _essence(incident: Incident) -> tuple[str, str, str]:
    return incident.subject.kind, incident.subject.name, incident.causes[0].kind


def _in_tens(seconds: int) -> int:
    return -(-seconds // 10) * 10
