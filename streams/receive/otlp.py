"""OTLP messages, protobuf or JSON, in; points and spans out: no state.

Whatever is wrong with one data point or span costs only that one, and is counted.
"""

import math
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import accumulate
from typing import Any, Final, Literal

from streams.errors import CorruptMessageError, MissingRequirementError
from streams.receive.genai import FIRST, Naming, Span, is_call
from streams.receive.histograms import Histogram, kept
from streams.receive.points import HistogramPoint, Kind, Labels, Place, Point, place_of
from streams.receive.vocabulary import engine_name
from streams.rejects import shortened

Encoding = Literal["proto", "json"]

MAX_POINTS: Final = 500_000
_DELTA: Final = 1
_NO_VALUE: Final = 1
"""Flag of a data point whose series has ended."""
_ERROR: Final = 2
_SERVICE: Final = "opentelemetry.proto.collector.{0}.v1.{0}_service_pb2"


@dataclass(slots=True)
class Read:
    """What a message held. refused: reason -> how many of its points or spans."""

    points: list[Point | HistogramPoint] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    ignored: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class Otlp:
    """Reads export requests; of their attributes only those that ``naming`` wants of spans.

    Raises MissingRequirementError without the extra, CorruptMessageError for no such message.
    """

    def __init__(self, naming: Naming, pools: tuple[str, ...], replicas: tuple[str, ...]) -> None:
        self._naming = naming
        self._pools = pools
        self._replicas = replicas
        try:
            self._json: Any = import_module("google.protobuf.json_format")
            self._message: Any = import_module("google.protobuf.message")
            self._services: Any = {
                n: import_module(_SERVICE.format(n)) for n in ("metrics", "trace")
            }
        except ImportError as exc:
            raise MissingRequirementError(
                "opentelemetry-proto", "pip install tidegate[otlp]"
            ) from exc

    def metrics(self, body: bytes, encoding: Encoding) -> Read:
        read = Read()
        message = self._services["metrics"].ExportMetricsServiceRequest()
        for of_resource in self._parsed(message, body, encoding).resource_metrics:
            resource = _texts(of_resource.resource.attributes)
            for of_scope in of_resource.scope_metrics:
                for metric in of_scope.metrics:
                    self._metric(metric, resource, read)
        return read

    def traces(self, body: bytes, encoding: Encoding) -> Read:
        read = Read()
        message = self._services["trace"].ExportTraceServiceRequest()
        for of_resource in self._parsed(message, body, encoding).resource_spans:
            resource = _texts(of_resource.resource.attributes, self._naming.wanted)
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    own = _texts(span.attributes, self._naming.wanted)
                    if is_call(own):
                        read.spans.append(_span(span, {**resource, **own}, encoding))
                    else:
                        read.ignored += 1
        return read

    def answer(self, kind: Literal["metrics", "trace"], rejected: int, why: str) -> Any:
        """The message that is sent back."""
        service = self._services[kind]
        if kind == "metrics":
            answer = service.ExportMetricsServiceResponse()
            if rejected:
                answer.partial_success.rejected_data_points = rejected
        else:
            answer = service.ExportTraceServiceResponse()
            if rejected:
                answer.partial_success.rejected_spans = rejected
        if why:
            answer.partial_success.error_message = why
        return answer

    def encoded(self, message: Any, encoding: Encoding) -> bytes:
        if encoding == "json":
            return str(self._json.MessageToJson(message, indent=None)).encode()
        return bytes(message.SerializeToString())

    def _parsed(self, message: Any, body: bytes, encoding: Encoding) -> Any:
        try:
            if encoding == "json":
                self._json.Parse(body, message, ignore_unknown_fields=True)
            else:
                message.ParseFromString(body)
        except (
            self._json.ParseError,
            self._message.DecodeError,
            ValueError,
            RecursionError,
        ) as exc:
            raise CorruptMessageError(f"not OTLP ({encoding}): {shortened(str(exc))}") from exc
        return message

    def _metric(self, metric: Any, resource: Mapping[str, str], read: Read) -> None:
        name, kind = engine_name(metric.name), metric.WhichOneof("data")
        data = getattr(metric, kind).data_points if kind else ()
        if name is None or kind == "summary":
            read.ignored += len(data)
            return
        for point in data:
            labels = _texts(point.attributes)
            place = place_of({**resource, **labels}, self._pools, self._replicas)
            if place is None:
                read.refused["no_pool_or_replica"] += 1
            elif point.flags & _NO_VALUE:
                read.refused["no_value"] += 1
            elif len(read.points) >= MAX_POINTS:
                read.refused["too_many"] += 1
            else:
                self._point(
                    metric, kind, point, _Series(name, place, tuple(sorted(labels.items()))), read
                )

    @staticmethod
    def _point(metric: Any, kind: str, point: Any, series: "_Series", read: Read) -> None:
        if kind == "exponential_histogram":
            _add_histogram(metric, point, series, read)
            return
        found = list(_values(metric, kind, point, series.name))
        if not all(math.isfinite(value) for _, _, value, _ in found):
            read.refused["not_finite"] += 1
            return
        for name, more, value, how in found:
            read.points.append(
                Point(
                    place=series.place,
                    at_us=point.time_unix_nano // 1_000,
                    name=name,
                    value=value,
                    labels=(*series.labels, *more),
                    kind=how,
                    start_us=point.start_time_unix_nano // 1_000,
                )
            )


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    place: Place
    labels: Labels


_Value = tuple[str, Labels, float, Kind]


def _values(metric: Any, kind: str, point: Any, name: str) -> Iterator[_Value]:
    """(name, labels besides its own, value, how it counts) of one data point."""
    if kind == "gauge":
        yield name, (), _number(point), "level"
        return
    data = getattr(metric, kind)
    delta = data.aggregation_temporality == _DELTA
    how: Kind = "increase" if delta else "total"
    if kind == "sum":
        # What goes up and down is a level, unless only its changes are told.
        yield name, (), _number(point), how if data.is_monotonic or delta else "level"
        return
    yield f"{name}_count", (), float(point.count), how
    yield f"{name}_sum", (), point.sum, how
    bounds = [*point.explicit_bounds, math.inf]
    for bound, count in zip(bounds, accumulate(point.bucket_counts), strict=False):
        le = "+Inf" if bound == math.inf else repr(bound)
        yield f"{name}_bucket", (("le", le),), float(count), how


def _add_histogram(metric: Any, point: Any, series: _Series, read: Read) -> None:
    """Values at most zero lie below all buckets; a place is called after its end, not its start."""
    counts = enumerate(point.positive.bucket_counts, point.positive.offset + 1)
    value = kept(
        Histogram(
            counts={place: float(count) for place, count in counts if count},
            sum=point.sum,
            scale=point.scale,
            below=float(point.zero_count + sum(point.negative.bucket_counts)),
            least=point.zero_threshold,
        )
    )
    if isinstance(value, str):
        read.refused[value] += 1
        return
    delta = metric.exponential_histogram.aggregation_temporality == _DELTA
    read.points.append(
        HistogramPoint(
            place=series.place,
            at_us=point.time_unix_nano // 1_000,
            name=series.name,
            value=value,
            labels=series.labels,
            kind="increase" if delta else "total",
            start_us=point.start_time_unix_nano // 1_000,
        )
    )


def _number(point: Any) -> float:
    return float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)


def _span(span: Any, attributes: Mapping[str, str], encoding: Encoding) -> Span:
    first = min((e.time_unix_nano for e in span.events if e.name in FIRST), default=0)
    return Span(
        id=_id(span.span_id, encoding),
        start_us=span.start_time_unix_nano // 1_000,
        end_us=span.end_time_unix_nano // 1_000,
        failed=span.status.code == _ERROR,
        attributes=attributes,
        first_us=first // 1_000,
    )


def _texts(attributes: Iterable[Any], wanted: frozenset[str] | None = None) -> dict[str, str]:
    """Attributes that are a text, number or truth."""
    return {
        each.key: text
        for each in attributes
        if (wanted is None or each.key in wanted) and (text := _text(each.value))
    }


def _text(value: Any) -> str:
    kind = value.WhichOneof("value")
    read = _TEXTS.get(kind)
    return read(getattr(value, kind)) if read else ""


_TEXTS: Final[Mapping[str, Callable[[Any], str]]] = {
    "string_value": str,
    "bool_value": lambda value: str(value).lower(),
    "int_value": str,
    "double_value": repr,
}


def _id(raw: bytes, encoding: Encoding) -> str:
    """JSON has ids in hex where protobuf's own JSON would have base64: that is undone."""
    return b64encode(raw).decode() if encoding == "json" else raw.hex()
