"""Avro and Protobuf by a real Schema Registry that others wrote: ids in, documents out."""

import json
import struct
from base64 import b64encode
from io import BytesIO
from typing import Any

import pytest

from streams.maps.registered import Registered, avro, protobuf
from streams.maps.registry import teach
from streams.maps.settings import RegistrySettings
from streams.windows.check import Reject
from tests.services import Registry

pytestmark = pytest.mark.registry

MODEL = {"type": "record", "name": "acme.Model", "fields": [{"name": "name", "type": "string"}]}
REQUEST = {
    "type": "record",
    "name": "acme.Request",
    "fields": [{"name": "model", "type": "acme.Model"}, {"name": "tokens", "type": "int"}],
}
TEXT = 'syntax = "proto3"; package acme; message Request { string model = 1; int32 tokens = 2; }'


def framed(number: int, payload: bytes) -> bytes:
    return struct.pack(">bI", 0, number) + payload


async def read(format_: Registered, registry: Registry, value: bytes) -> Any:
    await teach(format_, RegistrySettings(url=registry.url), [value])
    (document,) = format_.documents(value)
    return document


async def test_avro_that_refers_to_another_schema(registry: Registry) -> None:
    fastavro = pytest.importorskip("fastavro", reason="pip install tidegate[avro]")
    registry.register("acme.Model", json.dumps(MODEL))
    number = registry.register("avro", json.dumps(REQUEST), needs=[("acme.Model", "acme.Model")])
    named: dict[str, Any] = {}
    fastavro.parse_schema(MODEL, named)
    out, document = BytesIO(), {"model": {"name": "codex"}, "tokens": 5}
    fastavro.schemaless_writer(out, fastavro.parse_schema(REQUEST, named), document)

    assert await read(avro(), registry, framed(number, out.getvalue())) == document


async def test_protobuf_that_was_registered_in_serialized_form(registry: Registry) -> None:
    """As Confluent's client for Python does; a file that it imports is a schema of its own."""
    descriptor_pb2 = pytest.importorskip(
        "google.protobuf.descriptor_pb2", reason="pip install tidegate[protobuf]"
    )
    model = descriptor_pb2.FileDescriptorProto(name="m.proto", package="acme", syntax="proto3")
    model.message_type.add(name="Model").field.add(name="name", number=1, type=9, label=1)
    request = descriptor_pb2.FileDescriptorProto(
        name="r.proto", package="acme", syntax="proto3", dependency=["m.proto"]
    )
    request.message_type.add(name="Request").field.add(
        name="model", number=1, type=11, label=1, type_name=".acme.Model"
    )
    texts = [b64encode(one.SerializeToString()).decode() for one in (model, request)]
    registry.register("m", texts[0], "PROTOBUF")
    number = registry.register("r", texts[1], "PROTOBUF", [("m.proto", "m")])

    found = await read(protobuf(), registry, framed(number, b"\x00\x0a\x07\x0a\x05codex"))

    assert found == {"model": {"name": "codex"}}


async def test_protobuf_that_a_registry_has_as_text_is_refused_with_what_to_do(
    registry: Registry,
) -> None:
    pytest.importorskip("google.protobuf", reason="pip install tidegate[protobuf]")
    number = registry.register("text", TEXT, "PROTOBUF")

    found = await read(protobuf(), registry, framed(number, b"\x00\x0a\x05codex"))

    assert isinstance(found, Reject)
    assert "gave a .proto text, not a descriptor; register it in serialized form" in found.detail


async def test_an_id_of_nothing(registry: Registry) -> None:
    pytest.importorskip("fastavro", reason="pip install tidegate[avro]")

    found = await read(avro(), registry, framed(987_654, b"x"))

    assert found == Reject("unknown_schema", "the registry has no schema 987654")
