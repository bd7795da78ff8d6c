"""What the gateway tells the stream: requests, pools, replicas, usage."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

from model_backend.gateway.calls import Call, End
from model_backend.gateway.lanes import Lane
from streams.clock import SECOND_US
from streams.schemas.scaling import Drain
from streams.schemas.system import Usage
from streams.schemas.telemetry import Change, EngineSample, RequestEvent
from streams.stage import Out

Emit = Callable[[Out], bool]
"""Takes a record without waiting; False if it was dropped."""


class Emitter:
    """Makes records of what happened and hands them on; never waits, counts what is dropped.

    gateway: name of this gateway, so that a driver knows whose word a drain is.
    """

    def __init__(self, emit: Emit, *, cluster: str, gateway: str) -> None:
        self._emit = emit
        self._cluster = cluster
        self._gateway = gateway
        self.dropped = 0

    def arrived(self, call: Call, now_us: int) -> None:
        """Demand: a valid request of a tenant within its limits."""
        call.admitted = True
        self._request(call, "arrived", now_us, attempt=call.client_retry)

    def ended(self, call: Call, kind: End, status: int, reason: str, now_us: int) -> None:
        """The one end that every request has."""
        self._request(
            call,
            kind,
            now_us,
            replica=call.replica,
            status=status,
            reason=reason,
            attempt=call.attempt,
            output_tokens=call.output_tokens,
            queue_s=call.queue_s,
            ttft_s=call.ttft_s,
            inter_token_s=call.inter_token_s,
            duration_s=call.duration_s(now_us),
        )

    def used(self, call: Call, service: str, now_us: int, *, seconds: float = 0.0) -> None:
        """What was produced, also for who left before the end; nothing if that is nothing."""
        if not call.output_tokens and not seconds:
            return
        usage = Usage(
            id=call.id,
            at_us=now_us,
            account=call.tenant,
            service=service,
            model=call.model,
            prompt_tokens=call.prompt_tokens,
            output_tokens=call.output_tokens,
            seconds=seconds,
            request_id=call.id,
        )
        self._send("usage", call.tenant, usage)

    def pool(self, pool: str, now_us: int, *, queued: int, in_flight: int) -> None:
        """What a pool holds at this second."""
        gauge = RequestEvent(
            kind="gauge",
            at_us=now_us,
            cluster=self._cluster,
            pool=pool,
            queued=float(queued),
            in_flight=float(in_flight),
        )
        # Each second through another partition: no single INGEST is the only one to know.
        self._send("requests", f"{self._cluster}/{pool}/{now_us // SECOND_US}", gauge)

    def replica(self, lane: Lane, now_us: int, interval_s: float) -> None:
        """How a replica did since it was last told of."""
        seen = lane.take_interval(now_us)
        sample = EngineSample(
            at_us=now_us,
            cluster=self._cluster,
            pool=lane.pool,
            replica=lane.replica,
            source="gateway",
            interval_s=interval_s,
            in_flight=float(lane.in_flight),
            stalled_s=lane.stalled_s(now_us),
            finished=seen.finished,
            failed=seen.failed,
            ttft_s=seen.ttft_s,
            inter_token_s=seen.inter_token_s,
            **asdict(seen.tally),
        )
        self._send("engine", self._lane_key(lane), sample)

    def changed(
        self, lane: Lane, kind: Literal["set_aside", "taken_back"], summary: str, now_us: int
    ) -> None:
        change = Change(
            id=f"{kind}@{self._gateway}/{self._lane_key(lane)}@{now_us}",
            at_us=now_us,
            kind=kind,
            summary=summary,
            actor="gateway",
            cluster=self._cluster,
            pool=lane.pool,
            replica=lane.replica,
        )
        self._send("changes", self._lane_key(lane), change)

    def drain(self, lane: Lane, now_us: int) -> None:
        """Nothing new goes to the replica, and so many are still there."""
        drain = Drain(
            at_us=now_us,
            cluster=self._cluster,
            pool=lane.pool,
            replica=lane.replica,
            gateway=self._gateway,
            in_flight=lane.in_flight,
        )
        self._send("drains", self._lane_key(lane), drain)

    def _request(
        self, call: Call, kind: Literal["arrived"] | End, now_us: int, **facts: Any
    ) -> None:
        event = RequestEvent(
            kind=kind,
            at_us=now_us,
            cluster=self._cluster,
            pool=call.pool,
            model=call.model,
            route=call.route,
            tenant=call.tenant,
            request_id=call.id,
            prompt_tokens=call.prompt_tokens,
            **facts,
        )
        self._send("requests", f"{self._cluster}/{call.pool}/{call.id}", event)

    def _send(
        self, topic: str, key: str, record: RequestEvent | EngineSample | Change | Drain | Usage
    ) -> None:
        self.dropped += not self._emit(Out(topic=topic, key=key, value=record))

    def _lane_key(self, lane: Lane) -> str:
        return f"{self._cluster}/{lane.pool}/{lane.replica}"
