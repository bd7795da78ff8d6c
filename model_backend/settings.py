"""Settings of the gateway, access, and the pools behind it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from streams.loopback import LOOPBACK


class KeySettings(BaseModel, frozen=True, extra="forbid"):
    """One API key and whom it belongs to."""

    tenant: str
    key: SecretStr
    requests_per_minute: Annotated[int, Field(ge=1)] = 600
    max_in_flight: Annotated[int, Field(ge=1)] = 64


class GatewaySettings(BaseModel, frozen=True, extra="forbid"):
    """The OpenAI-compatible door."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    tls_cert: str = ""
    tls_key: str = ""
    keys: tuple[KeySettings, ...] = ()
    allow_anonymous: bool = False
    """Only ever on loopback: requests without a key become tenant `anonymous`."""
    max_body_bytes: Annotated[int, Field(ge=1_024)] = 1_048_576
    max_queue: Annotated[int, Field(ge=1)] = 256
    """Requests waiting per pool; the next one gets 503 with Retry-After."""
    queue_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """Longest wait for a replica; begun anew as long as a pool's only replica is still starting,"""
    starting_timeout_s: Annotated[float, Field(gt=0)] = 600.0
    """and no longer than this in all: who waits for a pool at zero is answered, not sent away."""
    upstream_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    first_byte_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    stall_timeout_s: Annotated[float, Field(gt=0)] = 4.0
    """A replica silent this long with requests in flight is set aside; what has not begun moves."""
    stream_stall_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    """A stream that had no byte for this long from a replica set aside ends with an error."""
    emit_buffer: Annotated[int, Field(ge=100)] = 10_000

    @model_validator(mode="after")
    def _strangers_need_a_key(self) -> Self:
        local = self.host in LOOPBACK
        if not local and (self.allow_anonymous or not self.keys or not self.tls_cert):
            raise ValueError(
                f"gateway.host {self.host} is not loopback: set gateway.keys, gateway.tls_cert and "
                "gateway.tls_key, and leave allow_anonymous off"
            )
        return self


class PoolSettings(BaseModel, frozen=True, extra="forbid"):
    """One pool: {cluster, service, model, role, variant, hardware} with a free name."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    cluster: str = "local"
    service: str
    """`codex`, `sora`, ...: what clients ask for."""
    model: str
    role: Literal["unified", "prefill", "decode", "embed", "job"] = "unified"
    variant: str = ""
    hardware: str = "cpu"
    driver: Literal["process", "dry_run"] = "dry_run"
    replica: str = "llama"
    """A name of ``model_backend.replicas.REPLICAS`` (driver `process`)."""
    options: dict[str, str] = {}
    """Passed to the replica program, such as `{model_path: ...}`."""
    min_replicas: Annotated[int, Field(ge=0)] = 1
    max_replicas: Annotated[int, Field(ge=1)] = 4
    initial_replicas: Annotated[int, Field(ge=0)] = 1
    max_asleep: Annotated[int, Field(ge=0)] = 0
    """So many replicas that are no longer needed are put to sleep instead of stopped, if their
    engine can (vLLM with `--enable-sleep-mode`, our llama replica); they wake faster than one
    starts, and are not counted in `max_replicas`."""
    sleep_level: Literal[1, 2] = 1
    """1: weights are kept in the memory of the host; 2: nothing is kept but the process."""
    asleep_cost_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """What one asleep costs, as a share of one that serves: 1 where its GPU stays its own (a pod of
    Kubernetes), the share of memory that it keeps where others run on the GPU meanwhile, 0 where
    nothing is held. For `tidegate backtest`; plans do not depend on it."""
    slots: Annotated[int, Field(ge=1)] = 4
    """Requests a replica serves at once."""
    cap_tokens_per_s: Annotated[float, Field(ge=0)] = 0.0
    """Demo cap of each replica; 0 is none."""
    start_delay_s: Annotated[float, Field(ge=0)] = 0.0
    """Declared extra start delay, as a GPU node would take."""
    slo_queue_s: Annotated[float, Field(gt=0)] = 1.0
    """Longest wait for a replica before a request misses its SLO."""
    slo_ttft_s: Annotated[float, Field(ge=0)] = 0.0
    """Longest time to the first token, wait and all, that role `prefill` owes; 0: only the wait."""
    slo_inter_token_s: Annotated[float, Field(ge=0)] = 0.0
    """Longest mean time between tokens of an answer, that role `decode` owes; 0: any."""
    deadline_s: Annotated[float, Field(ge=0)] = 0.0
    """Jobs must have ended so long after they came (role `job`), as the `completion_window` of
    OpenAI's batches says (24 h: 86400); 0: they are served as they come."""
    drain_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    health_interval_s: Annotated[float, Field(gt=0)] = 1.0
    unhealthy_after_s: Annotated[float, Field(gt=0)] = 10.0
    """Silent on /health for this long, a ready replica is replaced."""
    address: str = ""
    """Fixed replicas somebody else runs (driver `dry_run`): comma-separated base URLs."""

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        low, start, high = self.min_replicas, self.initial_replicas, self.max_replicas
        if not low <= start <= high:
            raise ValueError(
                f"pool {self.name}: min_replicas ≤ initial_replicas ≤ max_replicas must hold, "
                f"got {low}, {start} and {high}"
            )
        return self

    @model_validator(mode="after")
    def _only_jobs_wait(self) -> Self:
        if self.deadline_s and self.role != "job":
            got = f"got {self.deadline_s:g} and {self.role}"
            raise ValueError(f"pool {self.name}: deadline_s must be 0 unless role is job, {got}")
        return self

    @model_validator(mode="after")
    def _each_role_owes_its_own(self) -> Self:
        owed = {"slo_ttft_s": "prefill", "slo_inter_token_s": "decode"}
        for name, role in owed.items():
            if (value := getattr(self, name)) and self.role != role:
                got = f"got {value:g} and {self.role}"
                raise ValueError(f"pool {self.name}: {name} must be 0 unless role is {role}, {got}")
        return self

    @property
    def longest_wait_s(self) -> float:
        """Longer for a replica, and a request has missed its SLO."""
        owed = (self.deadline_s or self.slo_queue_s, self.slo_ttft_s)
        return min(filter(None, owed))


class BackendSettings(BaseModel, frozen=True, extra="forbid"):
    """Everything of `model_backend/`."""

    gateway: GatewaySettings = GatewaySettings()
    pools: tuple[PoolSettings, ...] = ()
