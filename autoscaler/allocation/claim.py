"""What a pool asks of the stocks of GPUs, and what it is given."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """GPUs of one kind."""

    name: str
    gpus: int
    price: float
    """Of a GPU and hour."""
    spot: bool = False
    loss_per_hour: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What is special about the claim of a pool that is worth nothing without its mate."""

    mate: str
    rate_per_s: float
    """Requests a second that each replica takes."""
    standing: int
    called: int
    """For by its plan, whatever keeps it from having them."""
    together: tuple[float, ...]
    """Misses per money that each further replica avoids, with those of the mate that it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One pool's wish for replicas."""

    pool: str
    replicas: int
    gpus: int = 1
    """Of each replica; all of them from one stock."""
    stocks: tuple[Stock, ...]
    """Where its replicas may run, the first that has room is taken."""
    kept: int = 0
    """Replicas that are not to be taken away, whoever else asks."""
    guarantee: int = 0
    priority: int = 0
    deferrable: bool = False
    """Its work can wait: it is served after all that cannot, whatever the priority."""
    worth: tuple[float, ...] = ()
    """Misses per hour that each further replica avoids; falling. Missing ones avoid none."""
    last: int = 0
    """Of the replicas, those that come after everything: doubtful ones and spares."""
    on_demand_ratio: float = 0.0
    """Share of its replicas, however many are granted, that stands on demand at least."""
    leg: Leg | None = None

    @property
    def cost(self) -> float:
        """Of a replica and hour."""
        return min((stock.price for stock in self.stocks), default=1.0) * self.gpus


@dataclass(frozen=True, slots=True)
class Grant:
    """What a pool is given."""

    on: dict[Stock, int] = field(default_factory=dict)

    @property
    def replicas(self) -> int:
        return sum(self.on.values())

    @property
    def on_spot(self) -> int:
        return sum(count for stock, count in self.on.items() if stock.spot)
