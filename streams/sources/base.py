"""What a source of telemetry is: something that is asked for its records at an instant."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from streams.schemas.scaling import ReplicaStatus


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
