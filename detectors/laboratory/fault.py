"""The contract of a fault file (docs/adding-a-fault.md): what is done to a cluster, and what of it
should be found.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from detectors.laboratory.cluster import Cluster
from detectors.laboratory.demand import Demand
from detectors.laboratory.drivers import Drivers
from detectors.laboratory.readings import Readings

__all__ = ["Demand", "Drivers", "Fault", "Place", "Readings"]
"""All that a fault file needs."""

Kind = Literal["hard", "degradation", "leak", "benign"]

LASTS_S: Final[dict[Kind, int]] = {"hard": 60, "degradation": 240, "leak": 2_100, "benign": 240}
"""Seconds simulated after the onset."""
GOAL_S: Final[dict[Kind, float]] = {"hard": 5, "degradation": 60, "leak": 1_800, "benign": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and when a fault is laid: places in the cluster's rows, drawn from the seed.

    onset: second from which it may differ from its twin, and not before.
    since: the same as a slice, for arrays by second.
    """

    cluster: Cluster
    onset: int
    pool: int
    replica: int
    gpu: int
    """One of ``replica``'s."""
    tenant: int
    """One of ``pool``'s."""
    zone: int

    @property
    def since(self) -> slice:
        return slice(self.onset, None)

    @property
    def replicas(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Of the pool."""
        return np.flatnonzero(self.cluster.pool_of_replica == self.pool)

    def name(self, of: str) -> str:
        """Of ``replica``, ``gpu``, ``node``, ``pool`` or ``client``, as incidents write it."""
        match of:
            case "replica":
                return self.cluster.replica_names[self.replica]
            case "gpu":
                return self.cluster.gpu_name(self.gpu)
            case "pool":
                return self.cluster.services[self.pool].name
            case "node":
                return self.cluster.gpu_name(self.gpu).split("/")[0]
            case "client":
                return self.cluster.tenants[self.tenant]
            case _:
                return f"zone-{self.zone}"

    def is_meant(self, fault: "Fault", kind: str, name: str) -> bool:
        """Whether the subject of an incident is the right one; of a zone any of its replicas is."""
        if "zone" in fault.subjects and kind == "replica":
            zones = dict(zip(self.cluster.replica_names, self.cluster.zone_of_replica, strict=True))
            return bool(zones.get(name) == self.zone)
        return kind in fault.subjects and name == self.name(kind)


Drive = Callable[[Drivers, Place, float], None]
Distort = Callable[[Readings, Place, float], None]


def nothing(_run: object, _place: Place, _magnitude: float) -> None:
    """For a fault that only moves drivers, or only readings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that can go wrong, or (``benign``) only looks like it.

    magnitudes: from plain to undetectable, in whatever unit the file says.
    stated: it should be found from this magnitude on: the place in ``magnitudes``, counted from
        the plainest.
    subjects: kinds of subject any of which names the right object (``Place.name``).
    causes: kinds of cause any of which is right.
    pools: names of services it can befall.
    """

    name: str
    kind: Kind
    magnitudes: tuple[float, ...]
    stated: int = 0
    subjects: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    pools: tuple[str, ...] = ("codex",)
    drive: Drive = nothing
    distort: Distort = nothing
    lasts_s: int = 0
    """Seconds simulated after the onset; 0: what is usual for its kind."""

    @property
    def after_s(self) -> int:
        return self.lasts_s or LASTS_S[self.kind]

    @property
    def must_find(self) -> tuple[float, ...]:
        return () if self.kind == "benign" else self.magnitudes[: self.stated + 1]


def drawn_place(cluster: Cluster, fault: Fault, onset: int, rng: np.random.Generator) -> Place:
    """Where a fault befalls a cluster."""
    able = [n for n, one in enumerate(cluster.services) if one.name in fault.pools]
    pool = int(rng.choice(able))
    replica = int(rng.choice(np.flatnonzero(cluster.pool_of_replica == pool)))
    return Place(
        cluster=cluster,
        onset=onset,
        pool=pool,
        replica=replica,
        gpu=int(rng.choice(np.flatnonzero(cluster.replica_of_gpu == replica))),
        tenant=int(rng.choice(np.flatnonzero(cluster.pool_of_tenant == pool))),
        zone=int(cluster.zone_of_replica[replica]),
    )
