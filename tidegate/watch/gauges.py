"""Samples of replicas in, what their pools hold out: as a gateway would report it."""

from collections.abc import Iterable

from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample, RequestEvent

STALE_WINDOWS = 3
"""A replica not heard of for so many windows holds nothing that we know of."""


class PoolGauges:
    """Once a window, requests running and waiting in all replicas of a pool together.

    Knows at most the replicas it is told of; one that falls silent is left out after three windows.
    """

    def __init__(self, *, interval_us: int = SECOND_US) -> None:
        self._interval_us = interval_us
        self._newest: dict[tuple[str, str, str], EngineSample] = {}
        self._said_us = 0

    def take(self, samples: Iterable[EngineSample]) -> list[RequestEvent]:
        """In the order of their time."""
        said: list[RequestEvent] = []
        for sample in samples:
            window_us = sample.at_us // self._interval_us * self._interval_us
            if window_us > self._said_us:
                said += self._say(window_us)
            self._newest[sample.cluster, sample.pool, sample.replica] = sample
        return said

    def _say(self, window_us: int) -> list[RequestEvent]:
        """Of the window before: all of it has been seen."""
        first = self._said_us == 0
        self._said_us = window_us
        if first:
            return []
        since_us = window_us - STALE_WINDOWS * self._interval_us
        self._newest = {k: one for k, one in self._newest.items() if one.at_us >= since_us}
        pools = sorted({key[:2] for key in self._newest})
        return [self._gauge(cluster, pool, window_us - 1) for cluster, pool in pools]

    def _gauge(self, cluster: str, pool: str, at_us: int) -> RequestEvent:
        members = [one for key, one in self._newest.items() if key[:2] == (cluster, pool)]
        return RequestEvent(
            kind="gauge",
            at_us=at_us,
            cluster=cluster,
            pool=pool,
            queued=sum(one.waiting or 0.0 for one in members),
            in_flight=sum(one.running or 0.0 for one in members),
        )
