"""Settings of the stream: broker, topics, windows, sinks."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from streams.maps.settings import MapSettings, RegistrySettings
from streams.receive.settings import ReceiveSettings


class BrokerSettings(BaseModel, frozen=True, extra="forbid"):
    """Where Kafka is and what it can do."""

    url: Annotated[str, Field(pattern=r"^kafka://[^/]+$")] = "kafka://127.0.0.1:9092"
    """`kafka://host:port[,host:port]`."""
    delivery: Literal["exactly_once", "at_least_once"] = "exactly_once"
    """`at_least_once` for brokers without transactions, such as the embedded one."""
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: str = ""
    """PEM; empty: the authorities that the machine trusts."""
    cert_file: str = ""
    """PEM: our own certificate, for a broker that asks for one."""
    key_file: str = ""
    """PEM, not encrypted: its key; empty: it is in `cert_file`."""
    compression: Literal["none", "lz4", "zstd"] = "lz4"
    """Of all that is written, blocks too: their labels lie outside of what they compress."""
    session_timeout_s: Annotated[float, Field(ge=1)] = 6.0
    replication_factor: Annotated[int, Field(ge=1)] = 1

    @property
    def bootstrap(self) -> str:
        return self.url.removeprefix("kafka://")


class TopicSettings(BaseModel, frozen=True, extra="forbid"):
    """Names and sizes of topics."""

    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$")] = "tidegate."
    shards: Annotated[int, Field(ge=1, le=1024)] = 16
    """S: partitions of partials, windows and anomalies; fixed once the topics exist."""
    raw_partitions: Annotated[int, Field(ge=1, le=1024)] = 4
    max_message_bytes: Annotated[int, Field(ge=65_536)] = 1_000_000
    block_bytes: Annotated[int, Field(ge=16_384)] = 900_000


class WindowSettings(BaseModel, frozen=True, extra="forbid"):
    """When a window closes and what is too late or too early for it."""

    interval_s: Annotated[int, Field(ge=1)] = 1
    """Load windows."""
    gpu_interval_s: Annotated[int, Field(ge=1)] = 10
    """GPU health windows."""
    lateness_s: Annotated[float, Field(ge=0)] = 2.0
    max_skew_s: Annotated[float, Field(gt=0)] = 10.0
    """Further in the future than this after its append time, a record is a dead letter."""
    max_clock_error_s: Annotated[float, Field(ge=0)] = 0.5
    stall_s: Annotated[float, Field(gt=0)] = 2.0
    """A source silent this long lets windows leave provisionally."""
    max_hold_s: Annotated[float, Field(gt=0)] = 900.0
    """A source silent this long while others flow is given up: windows are final without it."""
    max_series: Annotated[int, Field(ge=1)] = 10_000
    """Per shard and kind; the rest merges into `other`."""
    commit_interval_s: Annotated[float, Field(gt=0)] = 0.25
    """INGEST writes at most this often per source partition."""


class SnapshotSettings(BaseModel, frozen=True, extra="forbid"):
    """When a stage writes its state down; a restart replays what came after.

    Replaying takes at most as long as the work did: whichever of the two is reached first.
    """

    every_s: Annotated[float, Field(gt=0)] = 60.0
    """Seconds from one snapshot of a partition to the next, at most."""
    after_work_s: Annotated[float, Field(gt=0)] = 4.0
    """Seconds of work on a partition since its last snapshot."""


class InfluxSettings(BaseModel, frozen=True, extra="forbid"):
    """InfluxDB 1.8+, 2.x or 3.x through the v2 write API; empty url switches it off."""

    url: str = ""
    token: SecretStr = SecretStr("")
    """1.x: `user:password`."""
    org: str = "-"
    bucket: str = "tidegate/autogen"
    batch_points: Annotated[int, Field(ge=1)] = 5_000
    flush_s: Annotated[float, Field(gt=0)] = 1.0
    timeout_s: Annotated[float, Field(gt=0)] = 10.0


class SinkSettings(BaseModel, frozen=True, extra="forbid"):
    """Where results go."""

    embedded_path: str = ""
    """SQLite file; empty switches it off."""
    embedded_retention_s: Annotated[float, Field(gt=0)] = 86_400.0
    embedded_max_bytes: Annotated[int, Field(ge=1_000_000)] = 2_000_000_000
    """When reached, the oldest go until a tenth of it is free."""
    jsonl_path: str = ""
    jsonl_max_bytes: Annotated[int, Field(ge=100_000)] = 500_000_000
    """When reached, the file becomes `NAME.1`, which replaces an older one."""
    spool_path: str = ""
    """Folder for what waits while a sink is down; empty: in memory, lost with the process."""
    influx: InfluxSettings = InfluxSettings()
    queue_points: Annotated[int, Field(ge=1_000)] = 100_000
    """Bound of each sink's spool; when full, reading pauses."""


class StreamSettings(BaseModel, frozen=True, extra="forbid"):
    """Everything of level 0."""

    broker: BrokerSettings = BrokerSettings()
    topics: TopicSettings = TopicSettings()
    windows: WindowSettings = WindowSettings()
    snapshots: SnapshotSettings = SnapshotSettings()
    sinks: SinkSettings = SinkSettings()
    maps: tuple[MapSettings, ...] = ()
    """Topics that others write, read as ours are (`docs/adopt/existing-topics.md`)."""
    registry: RegistrySettings = RegistrySettings()
    receive: ReceiveSettings = ReceiveSettings()
    stuck_after_s: Annotated[float, Field(ge=5)] = 30.0
    """A stage that has more to read and shows no sign of life for this long is started anew."""

    @model_validator(mode="after")
    def _windows_leave_early_before_they_leave_without(self) -> Self:
        stall_s, max_hold_s = self.windows.stall_s, self.windows.max_hold_s
        if max_hold_s < stall_s:
            raise ValueError(
                f"windows.max_hold_s must not be less than windows.stall_s, got {max_hold_s:g} "
                f"and {stall_s:g}"
            )
        return self

    @model_validator(mode="after")
    def _maps_of_a_topic_agree(self) -> Self:
        first: dict[str, MapSettings] = {}
        for each in self.maps:
            other = first.setdefault(each.topic, each)
            for name in ("format", "record", "lateness_s", "late"):
                if getattr(each, name) != getattr(other, name):
                    raise ValueError(f"maps of topic {each.topic!r} must have the same {name}")
            if each.topic.startswith(self.topics.prefix or "\0"):
                raise ValueError(
                    f"maps are for topics of others, got {each.topic!r}, which has our prefix"
                )
        return self

    @model_validator(mode="after")
    def _blocks_fit_into_messages(self) -> Self:
        block, message = self.topics.block_bytes, self.topics.max_message_bytes
        if block > message:
            raise ValueError(
                "topics.block_bytes must not exceed topics.max_message_bytes, "
                f"got {block} and {message}"
            )
        return self
