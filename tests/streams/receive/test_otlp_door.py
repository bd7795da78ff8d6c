"""The door as senders see it; the exporters of the OpenTelemetry SDK where they are installed."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.clock import SECOND_US, system_clock
from streams.windows.spread import read_spread
from tests.streams.receive.conftest import Client, Kept

PROTO = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


def attributes(**named: Any) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue"}
    return [
        {"key": name.replace("__", "."), "value": {kinds[type(value)]: value}}
        for name, value in named.items()
    ]


REPLICA = {"attributes": attributes(service__name="codex", service__instance__id="codex-1")}


def exported(*metrics: dict[str, Any], resource: dict[str, Any] = REPLICA) -> dict[str, Any]:
    scope = {"scopeMetrics": [{"metrics": metrics}]}
    return {"resourceMetrics": [{"resource": resource, **scope}]}


def total(name: str, value: int, at_us: int, temporality: int = 2) -> dict[str, Any]:
    points = [
        {"asInt": str(value), "timeUnixNano": str(at_us * 1000), "startTimeUnixNano": "1000000"}
    ]
    data = {"isMonotonic": True, "aggregationTemporality": temporality, "dataPoints": points}
    return {"name": name, "sum": data}


def spans(*found: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": REPLICA, "scopeSpans": [{"spans": found}]}]}


def span(start_us: int, end_us: int, **named: Any) -> dict[str, Any]:
    usual = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "gemma"}
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "startTimeUnixNano": str(start_us * 1000),
        "endTimeUnixNano": str(end_us * 1000),
        "attributes": attributes(**(usual | named)),
    }


async def test_totals_and_increases_become_samples(door: Client, kept: Kept) -> None:
    now_us = system_clock()
    for second, (whole, more) in enumerate([(100, 7), (130, 5)], -10):
        at_us = now_us + second * SECOND_US
        body = exported(
            total("vllm:prompt_tokens", whole, at_us),
            total("vllm.generation_tokens", more, at_us, 1),
            total("process.cpu.time", 1, at_us),
        )
        answer = await door.post("/v1/metrics", json=body)
        assert (answer.status, await answer.json()) == (200, {})

    first, second_ = await kept.samples(2)

    assert (first.pool, first.replica) == ("codex", "codex-1")
    assert (first.prompt_tokens, second_.prompt_tokens) == (0, 30)
    assert (first.output_tokens, second_.output_tokens) == (7, 5)


async def test_what_is_wrong_with_one_point_is_told_and_costs_no_other(
    door: Client, kept: Kept
) -> None:
    now_us = system_clock()
    broken = {
        "name": "vllm:num_requests_running",
        "gauge": {"dataPoints": [{"asDouble": "NaN", "timeUnixNano": str(now_us * 1000)}]},
    }
    body = exported(broken, total("vllm:prompt_tokens", 1, now_us))

    answer = await door.post("/v1/metrics", json=body)

    assert await answer.json() == {
        "partialSuccess": {"rejectedDataPoints": "1", "errorMessage": "1 not_finite"}
    }
    assert len(await kept.samples(1)) == 1


async def test_a_call_is_two_events_in_time(door: Client, kept: Kept) -> None:
    now_us = system_clock()
    old = span(now_us - 30 * SECOND_US, now_us, gen_ai__usage__output_tokens=5)
    tool = span(1, 2, gen_ai__operation__name="execute_tool")

    answer = await door.post("/v1/traces", json=spans(old, tool, span(5, 1)))

    why = "1 the span must end after its start"
    assert await answer.json() == {"partialSuccess": {"rejectedSpans": "1", "errorMessage": why}}
    arrived, finished = kept.events
    assert (arrived.kind, arrived.pool, arrived.request_id) == (
        "arrived",
        "gemma",
        "eee19b7ec3c1b174",
    )
    assert arrived.at_us >= now_us  # It began 30 s ago: as of then it would be late.
    assert (finished.kind, finished.at_us, finished.duration_s) == ("finished", now_us, 30.0)


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        pytest.param("/v1/metrics", PROTO, b"\xff", 400, id="no-protobuf"),
        pytest.param("/v1/metrics", JSON, b"{", 400, id="no-json"),
        pytest.param("/v1/traces", JSON, b'{"resourceSpans": 7}', 400, id="no-traces"),
        pytest.param("/v1/traces", {"Content-Type": "text/plain"}, b"", 415, id="no-type"),
        pytest.param("/v1/traces", JSON | {"Content-Encoding": "gzip"}, b"moon", 400, id="no-gzip"),
        pytest.param("/v1/metrics", JSON, bytes(100_001), 413, id="too-large"),
        pytest.param(
            "/v1/metrics",
            JSON | {"Content-Encoding": "gzip"},
            gzip.compress(bytes(1_000_001)),
            413,
            id="too-large-when-unpacked",
        ),
        pytest.param("/v1/metrics", JSON | {"Origin": "https://x"}, b"{}", 403, id="a-browser"),
        pytest.param("/v1/metrics", JSON | {"Host": "evil.example"}, b"{}", 403, id="a-name"),
        pytest.param("/v1/logs", JSON, b"{}", 404, id="nothing-of-ours"),
    ],
)
async def test_every_wrong_request_has_its_answer(
    door: Client, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = await door.post(path, data=body, headers=headers)

    assert answer.status == status


async def test_without_a_broker_the_sender_keeps_what_it_has(door: Client, kept: Kept) -> None:
    kept.shut = True
    now_us = system_clock()
    call = spans(span(now_us, now_us))

    answer = await door.post("/v1/traces", json=call)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert (await answer.json())["message"] == "the broker does not answer"

    kept.shut = False
    assert (await door.post("/v1/traces", json=call)).status == 200
    assert len(kept.events) == 2


async def test_samples_that_found_no_room_are_kept_and_the_door_shuts(
    door: Client, kept: Kept
) -> None:
    kept.shut, kept.ahead_us = True, SECOND_US
    body = exported(total("vllm:prompt_tokens", 1, system_clock()))
    assert (await door.post("/v1/metrics", json=body)).status == 200
    async with asyncio.timeout(5):
        while (answer := await door.post("/v1/metrics", json=exported())).status != 503:
            pass
    assert answer.headers["Retry-After"] == "2"

    kept.shut = False
    assert len(await kept.samples(1)) == 1
    assert (await door.post("/v1/metrics", json=exported())).status == 200


def shapes() -> st.SearchStrategy[bytes]:
    leaf = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
    names = st.sampled_from(
        ["resourceMetrics", "scopeMetrics", "metrics", "name", "sum", "dataPoints", "asInt",
         "histogram", "bucketCounts", "resourceSpans", "scopeSpans", "spans", "attributes"]
    )  # fmt: skip
    tree = st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(names, inner))
    return tree.map(lambda value: json.dumps(value).encode())


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary() | shapes(), st.sampled_from(["proto", "json"]))
def test_any_bytes_are_read_or_called_corrupt(body: bytes, encoding: Any) -> None:
    pytest.importorskip("opentelemetry.proto.collector", reason="pip install tidegate[otlp]")
    from streams.errors import CorruptMessageError
    from streams.receive.genai import Naming
    from streams.receive.otlp import Otlp

    otlp = Otlp(Naming(cluster="c", pool=("p",), tenant=()), ("p",), ("r",))
    for read in (otlp.metrics, otlp.traces):
        try:
            read(body, encoding)
        except CorruptMessageError as exc:
            assert len(str(exc)) < 400  # noqa: PT017  -- either outcome is right


async def sdk(send: Callable[[str], None], door: Client) -> None:
    """Their exporters wait for the answer in the thread that calls them."""
    await asyncio.to_thread(send, str(door.make_url("")).rstrip("/"))


async def test_the_real_sdk_sends_metrics(door: Client, kept: Kept) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="dev packages")
    await sdk(_measure, door)

    (sample,) = await kept.samples(1)

    assert (sample.pool, sample.replica, sample.running) == ("codex", "codex-1", 3)
    assert sample.ttft_s == pytest.approx(0.25)
    assert sample.ttft_spread
    assert sample.queue_s == pytest.approx(1.5)


async def test_the_real_sdk_sends_histograms_whose_buckets_move(door: Client, kept: Kept) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="dev packages")
    await sdk(_grow, door)

    (sample,) = await kept.samples(1)

    assert sample.ttft_s == pytest.approx((3 * 0.3 + 500) / 4)
    spread = read_spread(sample.ttft_spread, 1_000)
    assert spread is not None
    values, counts = spread
    assert counts.sum() == 4
    assert 0.2 < values.min() / 1_000 < 0.4
    assert 250 < values.max() / 1_000 < 1_000


async def test_the_real_sdk_sends_spans(door: Client, kept: Kept) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="dev packages")
    await sdk(_trace, door)

    assert [(event.kind, event.status) for event in kept.events] == [
        ("arrived", 0),
        ("finished", 500),
    ]
    assert {event.pool for event in kept.events} == {"gemma"}


def _measure(url: str) -> None:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import Histogram, MeterProvider
    from opentelemetry.sdk.metrics.export import AggregationTemporality as Temporality
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    exporter = OTLPMetricExporter(
        f"{url}/v1/metrics",
        compression=Compression.Gzip,
        preferred_temporality={Histogram: Temporality.DELTA},
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=10**7)
    resource = Resource({"service.name": "codex", "service.instance.id": "codex-1"})
    provider = MeterProvider([reader], resource=resource)
    meter = provider.get_meter("test")
    ttft = meter.create_histogram("gen_ai.server.time_to_first_token", "s")
    ttft.record(0.2)
    ttft.record(0.3)
    meter.create_histogram("vllm.request_queue_time_seconds", "s").record(1.5)
    meter.create_up_down_counter("vllm.num_requests_running").add(3)
    provider.shutdown()


def _grow(url: str) -> None:
    """Totals, of values so far apart that the SDK has to make its buckets coarser."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import Histogram, MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
    from opentelemetry.sdk.resources import Resource

    exporter = OTLPMetricExporter(
        f"{url}/v1/metrics",
        preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()},
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=10**7)
    resource = Resource({"service.name": "codex", "service.instance.id": "codex-1"})
    provider = MeterProvider([reader], resource=resource)
    ttft = provider.get_meter("test").create_histogram("gen_ai.server.time_to_first_token", "s")
    ttft.record(0.2)
    provider.force_flush()
    for value in (0.3, 0.3, 0.3, 500.0):
        ttft.record(value)
    provider.shutdown()


def _trace(url: str) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    named = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gemma"}
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("chat gemma", kind=SpanKind.CLIENT, attributes=named) as span:
        span.set_status(Status(StatusCode.ERROR))
    provider.shutdown()
