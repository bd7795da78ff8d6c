"""Settings of the planner, its guards and the control API."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from autoscaler.allocation.settings import ClaimSettings, StockSettings
from autoscaler.region_settings import CapacitySettings
from autoscaler.schedules.settings import ScheduleSettings
from streams.loopback import LOOPBACK


class ScalingSettings(BaseModel, frozen=True, extra="forbid"):
    """How the planner plans, and whether it may act at all."""

    ladder: Literal["shadow", "recommend", "floor", "full"] = "shadow"
    """A pool climbs by a human's word only: compare, recommend, only raise, act fully."""
    dry_run: bool = True
    """Decide and publish, but leave every pool alone. Off only by choice."""
    decide_every_s: Annotated[float, Field(ge=1)] = 1.0
    miss_budget_ratio: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Share of requests that may miss the SLO; the plan of each pool tunes itself to it."""
    target_ratio: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Of the usual reactive scaler that `shadow` compares with: a share of each replica."""
    scale_down_after_s: Annotated[float, Field(ge=0)] = 100.0
    """Demand must have been lower for this long before a replica goes."""
    zero_after_starts: Annotated[float, Field(ge=0)] = 10.0
    """A pool with `min_replicas: 0` gives up its last replica once nothing was asked of it for so
    many times what a replica takes to start: what waiting for one is worth, in idle replicas."""
    gpus_per_hour: Annotated[int, Field(ge=1)] = 64
    """Upper bound on GPUs (replicas, where they have none) ordered within any hour."""
    block_expires_s: Annotated[float, Field(gt=0)] = 900.0
    stocks: tuple[StockSettings, ...] = ()
    """GPUs that the pools of this cluster share; none: every pool has what it asks for."""
    claims: tuple[ClaimSettings, ...] = ()
    """What single pools may claim of the stocks."""
    explore_s: Annotated[float, Field(ge=0, le=600)] = 0.0
    """How long a quiet pool may stand one replica short, at most once an hour, so that the others
    show what they carry; 0: never."""
    schedules: tuple[ScheduleSettings, ...] = ()
    """What is known of the future of single pools; people add to it by the API."""
    capacities: tuple[CapacitySettings, ...] = ()
    """What a replica of single pools is known to carry, until more is seen of it."""


class ApiSettings(BaseModel, frozen=True, extra="forbid"):
    """The control API and the live page."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8088
    token: SecretStr = SecretStr("")
    tls_cert: str = ""
    tls_key: str = ""
    require_if_match: bool = False
    """Orders for a pool without `If-Match` are answered with 428; `*` matches whatever is."""

    @model_validator(mode="after")
    def _strangers_need_a_token(self) -> Self:
        local = self.host in LOOPBACK
        if not local and not (self.token.get_secret_value() and self.tls_cert and self.tls_key):
            raise ValueError(
                f"api.host {self.host} is not loopback: set api.token, api.tls_cert and api.tls_key"
            )
        return self
