"""What a source of telemetry is: something that is asked for its records at an instant."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import Change, EngineSample, GpuSample
from streams.stage import Out


class Source(Protocol):
    """Takes one reading of what it watches each time it is asked."""

    async def read(
        self, replicas: Sequence[ReplicaStatus], now_us: int
    ) -> Sequence[msgspec.Struct]:
        """Records that describe ``now_us``; a thing that cannot be read is left out or ``up=0``.

        ``replicas`` are those ready or draining, as the newest `pools` records have them. Never
        raises for what it watches, and returns within a second.
        """
        ...

    async def close(self) -> None:
        """Free what reading took."""
        ...


def as_out(record: msgspec.Struct) -> Out:
    """A reading on its way to its topic."""
    match record:
        case EngineSample():
            key = f"{record.cluster}/{record.pool}/{record.replica}"
            return Out(topic="engine", key=key, value=record)
        case Change():
            return Out(topic="changes", key=record.id, value=record)
        case GpuSample():
            return Out(topic="gpu", key=f"{record.cluster}/{record.node}", value=record)
        case _:
            raise TypeError(f"a source gave a {type(record).__name__}, expected a telemetry record")
