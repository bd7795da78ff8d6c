"""Replicas that just started: false anomalies of their first minutes, and how soon a fault is told.

``python -m benchmarks.young --seeds 101-110`` prints Markdown: with detectors that begin with what
kin have shown, and with detectors that begin with nothing, on the same readings. In each seed's
cluster a replica of every pool, with its GPUs, has never been there before it starts.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from detectors.defaults import DEFAULTS
from detectors.laboratory.chain import START_US, Chain, Told
from detectors.laboratory.cluster import Cluster, drawn_cluster
from detectors.laboratory.drivers import Drivers
from detectors.laboratory.fault import Fault, Place, drawn_place
from detectors.laboratory.readings import SECOND_US, Readings
from detectors.laboratory.simulation import Simulation
from detectors.laboratory.trial import BEFORE_S
from detectors.settings import DetectionSettings
from tidegate.bench.fault_files import load_faults
from tidegate.bench.traffic import azure_or_servegen

STARTS_S: Final = 10
FIRST_S: Final = 300
"""The first minutes, whose false anomalies are counted."""
ONSETS_S: Final = (15, 45)
"""After the start."""
FOUND_WITHIN_S: Final = 240
FAULTS: Final = ("slow_replica", "tokenizer_stall", "power_throttle")
WAYS: Final = {
    "nothing": DetectionSettings(
        detectors=tuple(one.model_copy(update={"pooled": False}) for one in DEFAULTS)
    ),
    "kin": DetectionSettings(),
}


@dataclass(slots=True)
class Count:
    """Of all seeds, for one way to begin."""

    false: list[int] = field(default_factory=list)
    """By seed: anomalies of series that are young, and well."""
    by_detector: Counter[str] = field(default_factory=Counter)
    incidents: int = 0
    delays_s: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    """(fault and magnitude, onset) -> by seed; infinite for what was not found."""


class World:
    """A seed's cluster with its past, in which the young replicas were not yet there."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self.seed = seed
        self.cluster = drawn_cluster(rng)
        ends = np.cumsum(self.cluster.replicas) - 1
        self.young = ends.tolist()
        self._traffic = azure_or_servegen(rng, self.cluster)
        self._simulation = Simulation(self.cluster, np.random.default_rng([seed, 2]))
        self.past = self._simulation.run(self._drivers(-BEFORE_S, BEFORE_S, BEFORE_S))

    def readings(
        self, fault: Fault | None, magnitude: float, onset: int
    ) -> tuple[Readings, Drivers]:
        """Of a run with a fault at the young replica of a pool that it can befall, or without."""
        drivers = self._drivers(0, STARTS_S + FIRST_S, STARTS_S)
        for replica in self.young:
            name = self.cluster.replica_names[replica]
            pool = self.cluster.services[self.cluster.pool_of_replica[replica]].name
            drivers.change(STARTS_S, "replica_ready", f"{name} is ready", pool=pool, replica=name)
        if fault is not None:
            fault.drive(drivers, self._place(fault, onset), magnitude)
        return deepcopy(self._simulation).run(drivers), drivers

    def _place(self, fault: Fault, onset: int) -> Place:
        drawn = drawn_place(self.cluster, fault, onset, np.random.default_rng(self.seed))
        replica = self.young[drawn.pool]
        gpu = int(np.flatnonzero(self.cluster.replica_of_gpu == replica)[0])
        return Place(
            cluster=self.cluster,
            onset=onset,
            pool=drawn.pool,
            replica=replica,
            gpu=gpu,
            tenant=drawn.tenant,
            zone=int(self.cluster.zone_of_replica[replica]),
        )

    def _drivers(self, begin_s: int, seconds: int, starts_s: int) -> Drivers:
        drivers = Drivers(
            cluster=self.cluster,
            seconds=seconds,
            demand=self._traffic(begin_s + BEFORE_S, seconds),
            rng=np.random.default_rng([self.seed, 3]),
        )
        gpus = np.isin(self.cluster.replica_of_gpu, self.young)
        for name in ("up", "routed", "heard"):
            getattr(drivers, name)[:starts_s, self.young] = 0
        drivers.gpu_heard[:starts_s, gpus] = 0
        return drivers


def play(seed: int, faults: Sequence[Fault], counts: dict[str, Count]) -> None:
    world = World(seed)
    chains = {way: _after(world, settings) for way, settings in WAYS.items()}
    quiet = world.readings(None, 0, 0)
    twins = {way: _told(chain, *quiet) for way, chain in chains.items()}
    for way, told in twins.items():
        _note(counts[way], world.cluster, world.young, told)
    for fault, magnitude, after_s in _trials(faults):
        onset = STARTS_S + after_s
        run = world.readings(fault, magnitude, onset)
        for way, chain in chains.items():
            delay_s = _delay_s(_told(chain, *run), twins[way], onset)
            key = f"{fault.name} {magnitude:g}", after_s
            counts[way].delays_s.setdefault(key, []).append(delay_s)


def _trials(faults: Sequence[Fault]) -> Iterator[tuple[Fault, float, int]]:
    """The faintest that must be found."""
    return ((fault, fault.must_find[-1], after_s) for fault in faults for after_s in ONSETS_S)


def _after(world: World, settings: DetectionSettings) -> Chain:
    chain = Chain(world.cluster, settings)
    for _ in chain.take(world.past, ()):
        pass
    return chain


def _told(past: Chain, readings: Readings, drivers: Drivers) -> Told:
    chain = deepcopy(past)
    chain.told = Told()
    for _ in chain.take(readings, drivers.changes):
        pass
    return chain.told


def _note(count: Count, cluster: Cluster, young: Sequence[int], told: Told) -> None:
    names = {cluster.replica_names[replica] for replica in young}
    false = [one for one in told.anomalies.values() if one.labels.get("replica") in names]
    count.false.append(len(false))
    count.by_detector.update(f"{one.detector} {one.feature}" for one in false)
    count.incidents += len(told.incidents)


def _delay_s(told: Told, twin: Told, onset: int) -> float:
    """Until an incident that the twin has not, at the same subject."""
    known = {one.subject.name for one in twin.incidents.values()}
    begins_us = START_US + (BEFORE_S + onset) * SECOND_US
    new = [
        told.opened_s[one.id] - BEFORE_S - onset
        for one in told.incidents.values()
        if one.subject.name not in known and one.opened_at_us > begins_us
    ]
    delay_s = min(new, default=np.inf)
    return delay_s if delay_s <= FOUND_WITHIN_S else np.inf


def told(counts: dict[str, Count]) -> Iterator[str]:
    yield "| young series begin with | false anomalies a cluster | clusters with any | incidents |"
    yield "|---|---|---|---|"
    for way, count in counts.items():
        false = np.array(count.false)
        some = f"{(false > 0).sum()}/{false.size}"
        yield f"| {way} | {false.mean():.2f} | {some} | {count.incidents} |"
    for way, count in counts.items():
        yield f"\nFalse with {way}: {count.by_detector.most_common()}"
    yield ""
    yield f"| fault | after the start | {' | '.join(counts)} |"
    yield f"|---|---|{'---|' * len(counts)}"
    for fault, after_s in next(iter(counts.values())).delays_s:
        cells = (_cell(count.delays_s[fault, after_s]) for count in counts.values())
        yield f"| {fault} | {after_s} s | {' | '.join(cells)} |"


def _cell(delays_s: Sequence[float]) -> str:
    """Median and worst of those found."""
    found = sorted(one for one in delays_s if np.isfinite(one))
    share = f"{len(found)}/{len(delays_s)}"
    return f"{share}, {np.median(found):.0f} s, worst {found[-1]:.0f} s" if found else share


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=range(101, 111), metavar="A-B")
    parser.add_argument("--faults", type=Path, default=Path("benchmarks/faults"), metavar="DIR")
    arguments = parser.parse_args()
    faults = [one for one in load_faults(arguments.faults) if one.name in FAULTS]
    counts = {way: Count() for way in WAYS}
    for seed in arguments.seeds:
        play(seed, faults, counts)
    print("\n".join(told(counts)))


if __name__ == "__main__":
    main()
