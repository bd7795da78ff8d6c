"""What moves the simulated cluster, second by second: arrays that a fault may write into."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.laboratory.answers import LONGEST
from detectors.laboratory.cluster import CLUSTER, Cluster
from detectors.laboratory.demand import Demand
from streams.schemas.telemetry import Change, ChangeKind
from streams.windows.table import Floats, Ints

SWELL_STEP_S: Final = 10
DRAIN_S: Final = 30
"""What a replica has to finish what it has before it is stopped."""


@dataclass(slots=True, kw_only=True)
class Drivers:
    """All of a run before it runs. Arrays are [second, replica], or [second, GPU] where said.

    A fault sets ``name[since:, who]``; all is usual until somebody does.
    """

    cluster: Cluster
    seconds: int
    demand: Demand
    rng: np.random.Generator
    """For what a fault draws; of its own, so that the rest of the run stays the same."""
    changes: list[tuple[int, Change]] = field(default_factory=list)
    """(second, what somebody did): pool and replica are names."""

    decode_speed: Floats = field(init=False)
    """1 is usual, 0.5 twice as long between tokens."""
    prefill_speed: Floats = field(init=False)
    before_prefill_s: Floats = field(init=False)
    """Seconds that a request waits before the engine sees it: tokenizer, grammar, network."""
    error_ratio: Floats = field(init=False)
    """Share of requests given to the replica that fail."""
    up: Floats = field(init=False)
    """0: the process is there, does nothing and answers nobody."""
    routed: Floats = field(init=False)
    """0: the gateway sends nothing more there."""
    heard: Floats = field(init=False)
    """0: it works, but its metrics do not arrive."""
    prefix_hits: Floats = field(init=False)
    """Share of prompt tokens found in the prefix cache, which cost no prefill."""
    kv_leaked: Floats = field(init=False)
    """Tokens of KV cache that nobody frees."""
    rss_leaked_bytes: Floats = field(init=False)
    cpu_extra: Floats = field(init=False)
    empty_ratio: Floats = field(init=False)
    """Share of answers that end at once and show nothing,"""
    loop_ratio: Floats = field(init=False)
    """and of those that say the same until they reach their limit."""
    answer_scale: Floats = field(init=False)
    """1 is usual, 0.5 answers of half the length."""
    answer_cap: Floats = field(init=False)
    """Tokens at which the replica cuts answers, whatever the client asked for."""

    cooling: Floats = field(init=False)
    """By GPU: 1 is usual, 0.5 twice as far above the room for the same power."""
    power_limit: Floats = field(init=False)
    """By GPU: share of the board's own limit."""
    nvlink_speed: Floats = field(init=False)
    """By GPU: 1 is usual."""
    nvlink_errors_per_s: Floats = field(init=False)
    pcie_replays_per_s: Floats = field(init=False)
    ecc_corrected_per_s: Floats = field(init=False)
    ecc_uncorrected_per_s: Floats = field(init=False)
    xid: Ints = field(init=False)
    """By GPU: code of an event in this second, 0 for none."""
    gpu_heard: Floats = field(init=False)
    room_c: Floats = field(init=False)
    """By GPU: temperature of the air it gets."""

    patience_s: Floats = field(init=False)
    """[second, pool]: clients without a first byte for so long leave."""
    retries: Floats = field(init=False)
    """[second, pool]: how often, in the mean, a request that failed or was left comes again."""
    affine: Floats = field(init=False)
    """[second, pool]: 1: the gateway keeps clients to replicas; 0: least in flight goes first."""

    def __post_init__(self) -> None:
        shape = self.seconds, self.cluster.size
        for name in ("decode_speed", "prefill_speed", "up", "routed", "heard"):
            setattr(self, name, np.ones(shape))
        for name in ("before_prefill_s", "error_ratio", "kv_leaked", "rss_leaked_bytes"):
            setattr(self, name, np.zeros(shape))
        for name in ("cpu_extra", "empty_ratio", "loop_ratio"):
            setattr(self, name, np.zeros(shape))
        self.answer_scale, self.answer_cap = np.ones(shape), np.full(shape, np.inf)
        self.prefix_hits = np.full(shape, 0.45)
        self._of_gpus((self.seconds, self.cluster.replica_of_gpu.size))
        pools = self.seconds, len(self.cluster.services)
        self.patience_s = np.full(pools, 1.0) * [4 * s.slo_queue_s for s in self.cluster.services]
        self.retries, self.affine = np.full(pools, 0.2), np.zeros(pools)

    def _of_gpus(self, shape: tuple[int, int]) -> None:
        for name in ("cooling", "power_limit", "nvlink_speed", "gpu_heard"):
            setattr(self, name, np.ones(shape))
        for name in ("nvlink_errors_per_s", "pcie_replays_per_s", "ecc_uncorrected_per_s"):
            setattr(self, name, np.zeros(shape))
        self.ecc_corrected_per_s = np.full(shape, 1e-5)
        self.xid = np.zeros(shape, np.int64)
        self.room_c = np.full(shape, 27.0)

    def change(
        self, second: int, kind: ChangeKind, summary: str, *, pool: str = "", replica: str = ""
    ) -> None:
        """Somebody did something and said so."""
        self.changes.append(
            (
                second,
                Change(
                    id=f"{kind}-{replica or pool}-{second}",
                    at_us=0,
                    kind=kind,
                    summary=summary,
                    cluster=CLUSTER,
                    pool=pool,
                    replica=replica,
                ),
            )
        )

    def restart(self, replica: int, second: int, takes_s: int) -> None:
        """Drained and stopped on order, and ready again later."""
        name = self.cluster.replica_names[replica]
        pool = self.cluster.services[self.cluster.pool_of_replica[replica]].name
        stopped, ready = second + DRAIN_S, second + DRAIN_S + takes_s
        self.routed[second:ready, replica] = 0
        self.up[stopped:ready, replica] = 0
        self.change(stopped, "replica_stopped", f"{name} stopped", pool=pool, replica=name)
        self.change(ready, "replica_ready", f"{name} is ready", pool=pool, replica=name)

    def send(  # noqa: PLR0913 (what a request is, always by keyword)
        self,
        tenant: int,
        second: int,
        per_s: float,
        *,
        prompt: float = 600.0,
        output: float = 120.0,
        invalid: bool = False,
    ) -> None:
        """One client more than before, at an even rate from a second on; of usual length."""
        count = int(self.rng.poisson(per_s * max(self.seconds - second, 0)))
        more = Demand(
            at_s=np.sort(self.rng.uniform(second, self.seconds, count)),
            tenant=np.full(count, tenant),
            prompt=np.full(count, prompt),
            output=np.full(count, output),
            limit=np.full(count, LONGEST),
            invalid=np.full(count, invalid),
            tries=np.zeros(count, np.int64),
        )
        self.demand = self.demand.and_also(more)

    def swell(self, pool: int, second: int, takes_s: int, factor: float) -> None:
        """Traffic of a pool rises steadily to ``factor`` times the usual and stays there."""
        demand = self.demand
        mine = self.cluster.pool_of_tenant[demand.tenant] == pool
        for begin in range(second, self.seconds, SWELL_STEP_S):
            here = mine & (demand.at_s >= begin) & (demand.at_s < begin + SWELL_STEP_S)
            risen = min((begin + SWELL_STEP_S - second) / takes_s, 1.0)
            demand = demand.times(1 + (factor - 1) * risen, here, self.rng)
            mine = self.cluster.pool_of_tenant[demand.tenant] == pool
        self.demand = demand
