"""A seed in, a cluster to experiment on out: pools, replicas, GPUs, nodes, zones, tenants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from streams.windows.table import Floats, Ints

GPUS_PER_NODE: Final = 4
CLUSTER: Final = "lab"
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one replica can do, by the physics of batching.

    slots: requests it serves at once. prefill_per_s: prompt tokens a second. token_s: seconds
    between tokens of a stream that is alone; each further one adds ``crowd`` of that.
    """

    name: str
    slots: int
    prefill_per_s: float
    token_s: float
    crowd: float
    kv_tokens: float
    gpus: int
    slo_queue_s: float
    tenants: Sequence[str]
    answer: float = 1.0
    """Tokens of an answer for each that it has in a trace."""
    text: bool = True
    """Its answers are text, which the gateway looks at."""


CODEX: Final = Service(
    name="codex",
    slots=16,
    prefill_per_s=6_000,
    token_s=0.04,
    crowd=0.04,
    kv_tokens=45_000,
    gpus=2,
    slo_queue_s=5.0,
    tenants=("acme", "birch", "cedar", "delta"),
)
SORA: Final = Service(
    name="sora",
    slots=2,
    prefill_per_s=4_000,
    token_s=0.1,
    crowd=0.5,
    # As many slots as the longest jobs have room for: who makes videos runs out of no memory.
    kv_tokens=16_000,
    gpus=1,
    slo_queue_s=120.0,
    tenants=("elm", "fern"),
    answer=1.5,
    text=False,
)
"""A token of its own stands for a step of a video's making."""
REPLICAS: Final = {CODEX.name: (6, 11), SORA.name: (3, 6)}
"""At least so many, and fewer than so many."""


@dataclass(frozen=True)
class Cluster:
    """Pools in a row, their replicas in a row, those replicas' GPUs in a row: numbers are places.

    >>> cluster = Cluster(services=(CODEX, SORA), replicas=(3, 2), zones=2)
    >>> cluster.replica_names
    ('codex-1', 'codex-2', 'codex-3', 'sora-1', 'sora-2')
    >>> cluster.pool_of_gpu.tolist()
    [0, 0, 0, 0, 0, 0, 1, 1]
    """

    services: Sequence[Service]
    replicas: Sequence[int]
    zones: int

    @cached_property
    def pool_of_replica(self) -> Ints:
        return np.repeat(np.arange(len(self.services)), self.replicas)

    @cached_property
    def replica_of_gpu(self) -> Ints:
        gpus = self.per_replica("gpus").astype(np.int64)
        return np.repeat(np.arange(gpus.size), gpus)

    @cached_property
    def pool_of_gpu(self) -> Ints:
        return self.pool_of_replica[self.replica_of_gpu]

    @cached_property
    def node_of_gpu(self) -> Ints:
        return np.arange(self.replica_of_gpu.size) // GPUS_PER_NODE

    @cached_property
    def zone_of_gpu(self) -> Ints:
        return self.node_of_gpu % self.zones

    @cached_property
    def zone_of_replica(self) -> Ints:
        return self.zone_of_gpu[np.searchsorted(self.replica_of_gpu, np.arange(self.size))]

    @cached_property
    def pool_of_tenant(self) -> Ints:
        return np.repeat(np.arange(len(self.services)), [len(one.tenants) for one in self.services])

    @property
    def size(self) -> int:
        """Replicas in all pools."""
        return sum(self.replicas)

    @property
    def tenants(self) -> tuple[str, ...]:
        return tuple(name for service in self.services for name in service.tenants)

    @cached_property
    def replica_names(self) -> tuple[str, ...]:
        pools = zip(self.services, self.replicas, strict=True)
        return tuple(f"{one.name}-{n + 1}" for one, count in pools for n in range(count))

    def gpu_name(self, gpu: int) -> str:
        """As incidents name it: node and UUID."""
        return f"node-{self.node_of_gpu[gpu]}/GPU-{gpu:04d}"

    def per_replica(self, what: str) -> Floats:
        """A number of each replica's service."""
        return np.array([getattr(one, what) for one in self.services], float)[self.pool_of_replica]

    def labels(self, kind: str) -> list[Labels]:
        """Of each series of a kind, in the order of its columns."""
        match kind:
            case "request":
                return [*self._tenant_labels(), *self._pool_labels()]
            case "engine":
                return [
                    {"cluster": CLUSTER, "pool": self._pool(self.pool_of_replica[n]), "replica": r}
                    for n, r in enumerate(self.replica_names)
                ]
            case _:
                return [self._gpu_labels(gpu) for gpu in range(self.replica_of_gpu.size)]

    def _tenant_labels(self) -> list[Labels]:
        return [
            _request_labels(self._pool(pool), tenant)
            for pool, tenant in zip(self.pool_of_tenant, self.tenants, strict=True)
        ]

    def _pool_labels(self) -> list[Labels]:
        return [_request_labels(one.name, "") for one in self.services]

    def _gpu_labels(self, gpu: int) -> Labels:
        node, uuid = self.gpu_name(gpu).split("/")
        return {
            "cluster": CLUSTER,
            "node": node,
            "gpu_uuid": uuid,
            "zone": f"zone-{self.zone_of_gpu[gpu]}",
            "node_group": "lab",
            "pool": self._pool(self.pool_of_gpu[gpu]),
            "replica": self.replica_names[self.replica_of_gpu[gpu]],
        }

    def _pool(self, number: int) -> str:
        return self.services[number].name


def _request_labels(pool: str, tenant: str) -> Labels:
    model, route = (pool, "default") if tenant else ("", "")
    return {"cluster": CLUSTER, "pool": pool, "model": model, "route": route, "tenant": tenant}


def drawn_cluster(rng: np.random.Generator, teams: int = 1) -> Cluster:
    """Another one for each seed: 6 to 10 replicas of codex, 3 to 5 of sora, 2 or 3 zones.

    teams: so many have such pools of their own in it.
    """
    pools = [(team, service) for team in range(teams) for service in (CODEX, SORA)]
    return Cluster(
        services=tuple(_of_team(service, team) for team, service in pools),
        replicas=tuple(int(rng.integers(*REPLICAS[service.name])) for _, service in pools),
        zones=int(rng.integers(2, 4)),
    )


def _of_team(service: Service, team: int) -> Service:
    return replace(service, name=f"team{team}-{service.name}") if team else service
