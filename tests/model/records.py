"""Small records of a small system, and their way into its logs."""

from typing import Final

import msgspec

from streams.codec import encode_record
from streams.schemas.telemetry import Change, EngineSample, GpuSample, RequestEvent
from tests.model.world import World

POOLS: Final = ("codex", "qwen")
"""Of different shards."""
TENANTS: Final = ("ash", "birch")
REPLICAS: Final = 3


def engine_sample(pool: str, replica: int, at_us: int, up: float, pace_s: float) -> EngineSample:
    return EngineSample(
        at_us=at_us, pool=pool, replica=f"{pool}-{replica}", up=up, in_flight=2.0,
        inter_token_s=pace_s if up else None,
    )  # fmt: skip


def gpu_sample(temperature_c: float, at_us: int) -> GpuSample:
    return GpuSample(
        at_us=at_us, node="n", gpu_uuid="GPU-1", pool="codex", temperature_c=temperature_c
    )


def request(kind: str, pool: str, tenant: str, at_us: int) -> RequestEvent:
    fields = {"kind": kind, "pool": pool, "tenant": tenant, "at_us": at_us, "status": 200}
    return msgspec.convert(fields, RequestEvent)


_TOPIC: Final = {
    EngineSample: "engine", GpuSample: "gpu", RequestEvent: "requests", Change: "changes",
}  # fmt: skip


def send(world: World, record: msgspec.Struct, partition: int = 0) -> None:
    world.append((_TOPIC[type(record)], partition), None, encode_record(record))
