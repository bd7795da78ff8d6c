"""The gateway's own metrics, as Prometheus reads them."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from model_backend.gateway.calls import Call, End
from model_backend.gateway.desk import Desk

_WAITS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class GatewayMetrics:
    """Counters of requests, and gauges read when somebody asks."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._ended = Counter(
            "tidegate_gateway_requests",
            "requests that ended: finished, rejected or cancelled",
            ["pool", "route", "end", "status"],
            registry=self._registry,
        )
        self._queue_s = Histogram(
            "tidegate_gateway_queue_seconds",
            "wait for a replica",
            ["pool"],
            buckets=_WAITS,
            registry=self._registry,
        )
        self._queued = self._gauge("tidegate_gateway_queued", "requests waiting", ["pool"])
        self._in_flight = self._gauge(
            "tidegate_gateway_in_flight", "requests at a replica", ["pool", "replica"]
        )
        self._set_aside = self._gauge(
            "tidegate_gateway_set_aside", "1 while it gets no requests", ["pool", "replica"]
        )
        self._dropped = self._gauge(
            "tidegate_gateway_telemetry_dropped", "records that the stream did not take", []
        )

    def ended(self, call: Call, kind: End, status: int) -> None:
        self._ended.labels(call.pool, call.route, kind, status).inc()
        if call.queue_s is not None:
            self._queue_s.labels(call.pool).observe(call.queue_s)

    def exposition(self, desks: Mapping[str, Desk], dropped: int) -> bytes:
        self._in_flight.clear()
        self._set_aside.clear()
        self._dropped.set(dropped)
        for desk in desks.values():
            self._queued.labels(desk.pool).set(desk.queued)
            for lane in desk.lanes.values():
                self._in_flight.labels(desk.pool, lane.replica).set(lane.in_flight)
                aside = lane.set_aside_at_us is not None
                self._set_aside.labels(desk.pool, lane.replica).set(aside)
        return generate_latest(self._registry)

    def _gauge(self, name: str, meaning: str, labels: list[str]) -> Gauge:
        return Gauge(name, meaning, labels, registry=self._registry)
