"""Prometheus remote write, versions 1 and 2, unpacked, in; points out: no state.

Of the protocol's messages only what is read is declared; everything else is skipped.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple

from streams.errors import CorruptMessageError, MissingRequirementError
from streams.receive.native import native
from streams.receive.points import HistogramPoint, Labels, Place, Point, place_of
from streams.receive.vocabulary import TOTALS, engine_name
from streams.rejects import shortened

Version = Literal[1, 2]

MAX_POINTS: Final = 500_000
MAX_LABELS: Final = 200
_GAUGE: Final = 3
"""Hint of a histogram that is none of totals."""

_STRING, _DOUBLE, _INT64, _UINT64, _UINT32, _MESSAGE = 9, 1, 3, 4, 13, 11
_SINT32, _SINT64 = 17, 18
_ONE, _MANY = 1, 3
_Field = tuple[str, int, int, int, str]
"""Name, number, type, label and, of messages, which."""
_MESSAGES: Final[Mapping[str, Sequence[_Field]]] = {
    "Label": [("name", 1, _STRING, _ONE, ""), ("value", 2, _STRING, _ONE, "")],
    "Sample": [("value", 1, _DOUBLE, _ONE, ""), ("timestamp", 2, _INT64, _ONE, "")],
    "Span": [("offset", 1, _SINT32, _ONE, ""), ("length", 2, _UINT32, _ONE, "")],
    "Histogram": [
        ("sum", 3, _DOUBLE, _ONE, ""),
        ("schema", 4, _SINT32, _ONE, ""),
        ("zero_threshold", 5, _DOUBLE, _ONE, ""),
        ("zero_count_int", 6, _UINT64, _ONE, ""),
        ("zero_count_float", 7, _DOUBLE, _ONE, ""),
        ("negative_deltas", 9, _SINT64, _MANY, ""),
        ("negative_counts", 10, _DOUBLE, _MANY, ""),
        ("positive_spans", 11, _MESSAGE, _MANY, "Span"),
        ("positive_deltas", 12, _SINT64, _MANY, ""),
        ("positive_counts", 13, _DOUBLE, _MANY, ""),
        ("reset_hint", 14, _UINT32, _ONE, ""),
        ("timestamp", 15, _INT64, _ONE, ""),
        ("custom_values", 16, _DOUBLE, _MANY, ""),
    ],
    "Series1": [
        ("labels", 1, _MESSAGE, _MANY, "Label"),
        ("samples", 2, _MESSAGE, _MANY, "Sample"),
        ("histograms", 4, _MESSAGE, _MANY, "Histogram"),
    ],
    "Series2": [
        ("labels_refs", 1, _UINT32, _MANY, ""),
        ("samples", 2, _MESSAGE, _MANY, "Sample"),
        ("histograms", 3, _MESSAGE, _MANY, "Histogram"),
    ],
    "Request1": [("timeseries", 1, _MESSAGE, _MANY, "Series1")],
    "Request2": [
        ("symbols", 4, _STRING, _MANY, ""),
        ("timeseries", 5, _MESSAGE, _MANY, "Series2"),
    ],
}


@dataclass(slots=True)
class Part:
    """All samples, or all histograms, of a request. refused: reason -> how many of them."""

    points: list[Point | HistogramPoint] = field(default_factory=list)
    came: int = 0
    ignored: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, point: Point | HistogramPoint) -> None:
        if len(self.points) < MAX_POINTS:
            self.points.append(point)
        else:
            self.refused["too_many"] += 1


@dataclass(frozen=True, slots=True)
class Written:
    """What a request held."""

    samples: Part = field(default_factory=Part)
    histograms: Part = field(default_factory=Part)


class RemoteWrite:
    """Reads write requests. Raises MissingRequirementError, CorruptMessageError."""

    def __init__(self, pools: tuple[str, ...], replicas: tuple[str, ...]) -> None:
        self._pools = pools
        self._replicas = replicas
        try:
            self._decode_error = import_module("google.protobuf.message").DecodeError
            self._requests: Mapping[Version, Any] = _requests()
        except ImportError as exc:
            raise MissingRequirementError("protobuf", "pip install tidegate[otlp]") from exc

    def read(self, body: bytes, version: Version) -> Written:
        request = self._requests[version]()
        try:
            request.ParseFromString(body)
        except self._decode_error as exc:
            raise CorruptMessageError(f"no write request: {shortened(str(exc))}") from exc
        written = Written()
        for series in request.timeseries:
            written.samples.came += len(series.samples)
            written.histograms.came += len(series.histograms)
            labels = _labels(request, series, version)
            if labels is None:
                written.samples.refused["labels"] += len(series.samples)
                written.histograms.refused["labels"] += len(series.histograms)
            else:
                self._series(labels, series, written)
        return written

    def _series(self, labels: dict[str, str], series: Any, written: Written) -> None:
        given = labels.pop("__name__", "")
        name = given if given == "up" else engine_name(given)
        place = place_of(labels, self._pools, self._replicas) if name else None
        if name is None or place is None:
            written.samples.ignored += len(series.samples)
            written.histograms.ignored += len(series.histograms)
            return
        whose = _Whose(place, name, tuple(sorted(labels.items())))
        for sample in series.samples:
            _add_sample(sample, whose, written.samples)
        for histogram in series.histograms:
            _add_histogram(histogram, whose, written.histograms)


class _Whose(NamedTuple):
    place: Place
    name: str
    labels: Labels


def _add_sample(sample: Any, whose: _Whose, part: Part) -> None:
    if not math.isfinite(sample.value):
        # Among them Prometheus' mark that the series has ended: then nothing follows.
        part.ignored += 1
        return
    part.add(
        Point(
            place=whose.place,
            at_us=sample.timestamp * 1_000,
            name=whose.name,
            value=sample.value,
            labels=whose.labels,
            kind="total" if whose.name in TOTALS else "level",
        )
    )


def _add_histogram(message: Any, whose: _Whose, part: Part) -> None:
    value = None if message.reset_hint == _GAUGE else native(message)
    if value is None or value == "not_finite":
        part.ignored += 1
    elif isinstance(value, str):
        part.refused[value] += 1
    else:
        at_us = message.timestamp * 1_000
        part.add(
            HistogramPoint(
                place=whose.place, at_us=at_us, name=whose.name, value=value, labels=whose.labels
            )
        )


def _labels(request: Any, series: Any, version: Version) -> dict[str, str] | None:
    """None if they refer to nothing, or are too many."""
    if version == 1:
        found = {label.name: label.value for label in series.labels}
        return found if 0 < len(found) <= MAX_LABELS else None
    refs, symbols = series.labels_refs, request.symbols
    if not refs or len(refs) % 2 or len(refs) > 2 * MAX_LABELS or max(refs) >= len(symbols):
        return None
    texts = [symbols[ref] for ref in refs]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _requests() -> Mapping[Version, Any]:
    descriptors = import_module("google.protobuf.descriptor_pb2")
    pool = import_module("google.protobuf.descriptor_pool").DescriptorPool()
    factory = import_module("google.protobuf.message_factory")
    file = descriptors.FileDescriptorProto(name="write.proto", package="tidegate", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, label, of in fields:
            made = message.field.add(name=field_name, number=number, type=kind, label=label)
            if of:
                made.type_name = f".tidegate.{of}"
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"tidegate.Request{version}") for version in (1, 2))
    one, two = map(factory.GetMessageClass, found)
    return {1: one, 2: two}
