"""Settings of the stocks of GPUs and of what each pool may claim of them."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator


class StockSettings(BaseModel, frozen=True, extra="forbid"):
    """GPUs of one kind that pools share."""

    name: str
    hardware: str
    """As in `backend.pools[].hardware`."""
    gpus: Annotated[int, Field(ge=0)]
    price_per_gpu_hour: Annotated[float, Field(gt=0)] = 1.0
    """In any currency, the same for all stocks."""
    market: Literal["on_demand", "spot"] = "on_demand"
    loss_per_hour: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the GPUs of a spot stock that is taken away within an hour."""

    @model_validator(mode="after")
    def _only_spot_is_lost(self) -> Self:
        if self.loss_per_hour and self.market != "spot":
            raise ValueError(
                f"stock {self.name}: loss_per_hour must be 0 unless market is spot, "
                f"got {self.loss_per_hour:g}"
            )
        return self


class ClaimSettings(BaseModel, frozen=True, extra="forbid"):
    """What one pool may claim of the stocks; a pool without it claims at priority 0."""

    pool: str
    priority: int = 0
    """Higher comes first, once all guarantees are met."""
    guaranteed_replicas: Annotated[int, Field(ge=0)] = 0
    """Given before any priority counts, as far as the pool asks for so many."""
    gpus_per_replica: Annotated[int, Field(ge=1)] = 1
    hardware: dict[str, Annotated[float, Field(ge=1)]] = {}
    """Hardware a replica may run on, and how much it carries there, in replicas as they are
    declared: at least 1. The cheapest for what it carries comes first. Empty: the pool's own."""
    on_demand_ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the replicas that stands on GPUs on demand at least; others may be on spot ones."""
