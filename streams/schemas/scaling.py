"""How many replicas there should be, are, and why."""

from typing import Literal

import msgspec

from streams.schemas.base import Record

Ladder = Literal["shadow", "recommend", "floor", "full"]
ReplicaState = Literal["starting", "ready", "draining", "asleep", "failed", "stopped"]


class Quantile(Record, frozen=True, kw_only=True):
    q: float
    value: float


class Forecast(Record, frozen=True, kw_only=True):
    """Demand of a pool at a horizon, as quantiles, in the unit of the pool's capacity."""

    feature: str
    unit: str
    horizon_s: float
    quantiles: tuple[Quantile, ...]
    """Ascending."""
    model: str
    planned_q: float = 1.0
    """The quantile to plan for."""
    kept_q: float = 0.0
    """The quantile above which replicas may go; that planned for unless it is higher."""

    @property
    def planned(self) -> Quantile:
        """The one to plan for: the last unless it says otherwise."""
        return self.at(self.planned_q)

    @property
    def kept(self) -> Quantile:
        """What stands for up to this much is left standing."""
        return self.at(max(self.planned_q, self.kept_q))

    def at(self, q: float) -> Quantile:
        """The first quantile that is not below ``q``, else the last."""
        return next((one for one in self.quantiles if one.q >= q), self.quantiles[-1])


class Decision(Record, frozen=True, kw_only=True):
    """What PLAN wants of one pool for one interval, and why.

    A function of the recorded ``inputs``; only the newest one younger than 10 s is carried out.
    """

    id: str
    """`pool@at_us`."""
    at_us: int
    """End of the interval it was made for."""
    cluster: str
    pool: str
    current: int
    desired: int
    proposed: int
    """Before the guards."""
    reason: str
    """One sentence with its numbers; each guard that changed it adds its own."""
    ladder: Ladder
    dry_run: bool = False
    guards: tuple[str, ...] = ()
    """Names of the guards that changed it."""
    forecast: Forecast | None = None
    demand: float | None = None
    """Offered work now, in the forecast's unit."""
    capacity_per_replica: float | None = None
    capacity_identified: bool = False
    reactive: int | None = None
    """What a purely reactive policy would have wanted now."""
    missed: int = 0
    """Requests of the interval that waited longer than the SLO, failed, were shed or given up."""
    reactive_missed: int = 0
    """The same under the reactive policy, from a fluid model of its queue and start delay."""
    unattainable: str = ""
    wanted: int | None = None
    """What would be desired if the ladder and ``dry_run`` let the planner act."""
    inputs: dict[str, float] = msgspec.field(default_factory=dict)
    names: dict[str, str] = msgspec.field(default_factory=dict)
    """The words among the inputs: incidents, clients, who ordered what and why."""
    inputs_through_us: int = 0


class ReplicaStatus(Record, frozen=True, kw_only=True):
    """One replica as whoever runs it sees it. Key on `pools`: ``cluster/pool/replica``."""

    cluster: str = "local"
    pool: str
    replica: str
    state: ReplicaState
    since_us: int
    at_us: int
    address: str = ""
    """`http://127.0.0.1:8101`; empty until it is known."""
    metrics_address: str = ""
    gpus: int = 0
    node: str = ""
    pid: int = 0
    reason: str = ""
    ordered_at_us: int = 0
    expected_ready_at_us: int = 0
    slots: int = 0
    """Requests it serves at once."""
    phases_s: dict[str, float] = msgspec.field(default_factory=dict)
    """How long each phase of its start took, told once it is ready: `schedule` (a place for it is
    found), `node` (one is added), `image` (its program is there and runs), `weights`, `warm_up`. Of
    one that was woken: `wake`, and nothing else."""


class PoolStatus(Record, frozen=True, kw_only=True):
    """One pool as its driver sees it. Key on `pools`: ``cluster/pool``."""

    cluster: str = "local"
    pool: str
    service: str
    model: str
    at_us: int
    desired: int
    ready: int
    starting: int = 0
    draining: int = 0
    failed: int = 0
    min_replicas: int = 0
    max_replicas: int = 0
    ladder: Ladder = "shadow"
    driver: str = ""
    hardware: str = ""
    start_delay_s: float = 0.0
    """Declared or learned seconds from order to ready."""
    cap: str = ""
    """What limits each replica, as shown to people: `demo cap 12 tokens/s`."""
    slots_per_replica: int = 0
    asleep: int = 0
    """Replicas that keep a part of their memory and serve nothing until they are woken."""
    max_asleep: int = 0
    """So many of those no longer needed are put to sleep; 0 where none is or can be."""
    slo_queue_s: float = 1.0


class Drain(Record, frozen=True, kw_only=True):
    """The gateway's word that it sends nothing more to a replica."""

    at_us: int
    cluster: str
    pool: str
    replica: str
    gateway: str
    in_flight: int
    """0 means done; the driver may stop the replica."""
