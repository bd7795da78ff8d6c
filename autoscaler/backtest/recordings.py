"""A recording's requests in, a trace out: what `tidegate import` and `tidegate record` wrote."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from autoscaler.backtest.trace import Trace
from streams.clock import SECOND_US
from streams.codec import decode_frame, decode_record, is_frame
from streams.errors import CorruptMessageError, InvalidParameterError
from streams.frames import decode_columns, is_columns, shape_of
from streams.recording import read_recording
from streams.schemas.telemetry import RequestEvent

TOPIC: Final = "requests"
_SHAPE: Final = shape_of(RequestEvent)


def recorded(path: Path, slots: int, pool: str = "") -> Trace:
    """Each request from its ``arrived``; how long it held a slot from its ``finished``.

    Requests whose end is not known are taken to last as long as the others on average. Retries
    are not demand again. ``pool`` "" is all pools.
    """
    arrived: dict[str, int] = {}
    served: dict[str, float] = {}
    for event in _events(path):
        if pool and event.pool != pool:
            continue
        if event.kind == "arrived" and not event.attempt:
            arrived.setdefault(event.request_id, event.at_us)
        elif event.kind == "finished" and event.duration_s is not None:
            served[event.request_id] = max(0.0, event.duration_s - (event.queue_s or 0.0))
    if not arrived or not served:
        allowed = "a recording with requests that arrived and finished; import with --served P,S"
        raise InvalidParameterError("TRACE", str(path), allowed)
    usual_s = sum(served.values()) / len(served)
    came = sorted(arrived.items(), key=lambda one: one[1])
    arrival_s = np.array([at_us for _, at_us in came], float) / SECOND_US
    arrival_s -= np.floor(arrival_s[0])
    return Trace(
        name=path.stem,
        arrival_s=arrival_s,
        service_s=np.array([served.get(request, usual_s) for request, _ in came]),
        seconds=int(arrival_s[-1]) + 1,
        slots=slots,
    )


def _events(path: Path) -> Iterator[RequestEvent]:
    for message in read_recording(path):
        if message.topic == TOPIC and message.value is not None:
            yield from _of(message.value)


def _of(value: bytes) -> Iterator[RequestEvent]:
    """What cannot be read was no request for INGEST either."""
    try:
        if is_frame(value):
            _, lines = decode_frame(value)
            yield from (decode_record(line, RequestEvent) for line in lines)
            return
        if not is_columns(value):
            yield decode_record(value, RequestEvent)
            return
        frame = decode_columns(value, _SHAPE)
        for line in range(len(frame)):
            yield msgspec.convert(frame.values(line), RequestEvent)
    except (CorruptMessageError, msgspec.ValidationError):
        return
