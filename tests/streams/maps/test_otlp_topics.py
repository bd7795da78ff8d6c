"""OTLP over Kafka, as the collector's exporter writes it."""

import json
from typing import Any

import pytest

from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import decode_block
from streams.intake import Ingest
from streams.maps.settings import MapSettings
from streams.schemas.system import DeadLetter
from streams.settings import StreamSettings, TopicSettings
from streams.stage import Out
from streams.windows.blocks import decode_table
from tests.streams.receive.test_otlp_door import exported, span, spans, total
from tests.streams.samples import T0, batch

APPENDED = T0 + 20 * SECOND_US
CALL = spans(span(T0, T0 + 19 * SECOND_US, gen_ai__usage__output_tokens=5), span(5, 1))


@pytest.fixture(autouse=True)
def _extra() -> None:
    pytest.importorskip("opentelemetry.proto.collector", reason="pip install tidegate[otlp]")


def ingest(value: bytes, **but: Any) -> list[Out]:
    mapped = MapSettings.model_validate({"topic": "otlp_spans", "format": "otlp_json"} | but)
    settings = StreamSettings(topics=TopicSettings(shards=1), maps=(mapped,))
    return Ingest("/otlp_spans", 0, settings).step(
        batch(Message("/otlp_spans", 0, 0, APPENDED, None, value))
    )


def sums(out: list[Out], *names: str) -> list[int]:
    tables = [decode_table(decode_block(o.value)) for o in out if isinstance(o.value, bytes)]
    return [sum(int(t.ints[name].sum()) for t in tables if len(t)) for name in names]


def letters(out: list[Out]) -> list[str]:
    return [o.value.detail for o in out if isinstance(o.value, DeadLetter)]


@pytest.mark.parametrize(("late", "arrived"), [("count", 0), ("now", 1)])
def test_spans_are_summed_up_and_what_began_long_ago_may_count_now(late: str, arrived: int) -> None:
    out = ingest(json.dumps(CALL).encode(), late=late)

    assert sums(out, "arrived", "finished", "output_tokens") == [arrived, 1, 5]
    assert letters(out) == ["the span must end after its start"]


def test_protobuf_says_the_same() -> None:
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    message = ParseDict(CALL, trace_service_pb2.ExportTraceServiceRequest())

    out = ingest(message.SerializeToString(), format="otlp_proto", late="now")

    assert sums(out, "arrived", "finished") == [1, 1]


def test_changes_of_metrics_are_summed_up_and_totals_set_aside() -> None:
    body = exported(
        total("vllm:generation_tokens", 7, APPENDED, 1), total("vllm:prompt_tokens", 9, APPENDED)
    )

    out = ingest(json.dumps(body).encode(), record="engine")

    assert sums(out, "output_tokens", "prompt_tokens") == [7, 0]
    assert "cumulativetodelta" in letters(out)[0]


def test_no_bytes_of_a_broken_message_are_shown() -> None:
    (letter,) = [o.value for o in ingest(b'{"prompt: my secret') if isinstance(o.value, DeadLetter)]

    assert (letter.reason, letter.head) == ("corrupt_frame", "19 bytes")


def test_fields_are_those_of_the_conventions() -> None:
    with pytest.raises(ValueError, match="otlp_json has fields of its own"):
        ingest(b"", fields={"pool": "=x"})
