"""Avro and Protobuf with a stand-in for a Schema Registry that speaks its REST interface."""

from base64 import b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import InvalidParameterError, RegistryUnavailableError
from streams.maps.registered import Registered, avro, protobuf
from streams.maps.registry import Registry, teach
from streams.maps.registry_schema import Schema
from streams.maps.settings import RegistrySettings
from streams.windows.check import Reject
from tests.streams.maps.registry import MODEL, StandIn, framed


async def documents(format_: Registered, settings: RegistrySettings, *values: bytes) -> list[Any]:
    await teach(format_, settings, values)
    return [one for value in values for one in format_.documents(value)]


async def test_avro_with_a_reference_is_read_and_nobody_asks_twice(
    avro_topic: bytes, settings: RegistrySettings, stand_in: StandIn
) -> None:
    format_ = avro()

    found = await documents(format_, settings, avro_topic, avro_topic)
    found += await documents(format_, settings, avro_topic)

    assert {(one["model"]["name"], one["tokens"]) for one in found} == {("codex", 5)}
    assert stand_in.asked == ["/schemas/ids/7", "/subjects/acme.Model/versions/3"]


async def test_what_no_schema_fits_is_one_dead_letter_and_its_neighbours_go_on(
    avro_topic: bytes, settings: RegistrySettings
) -> None:
    cut, unknown, unframed = avro_topic[:-3], framed(99, b"x"), b'{"json": 1}'

    found = await documents(avro(), settings, cut, unknown, avro_topic, unframed, b"")

    assert [one.reason if isinstance(one, Reject) else "read" for one in found] == [
        "wrong_type", "unknown_schema", "read", "unknown_schema", "unknown_schema",
    ]  # fmt: skip
    assert found[1].detail == "the registry has no schema 99"


@pytest.mark.parametrize("how", ["down", "slow", "login"])
async def test_a_registry_that_does_not_answer_lets_its_topics_wait(
    avro_topic: bytes, settings: RegistrySettings, stand_in: StandIn, how: str
) -> None:
    stand_in.status = 500 if how == "down" else 200
    asking = settings.model_copy(update={"username": ""} if how == "login" else {})
    if how == "slow":
        stand_in.slow.clear()
    format_ = avro()
    with pytest.raises(RegistryUnavailableError, match="its topics wait"):
        await teach(format_, asking, [avro_topic])

    stand_in.status = 200
    stand_in.slow.set()
    (found,) = await documents(format_, settings, avro_topic)
    assert found["tokens"] == 5


async def test_an_address_is_needed() -> None:
    with pytest.raises(InvalidParameterError, match=r"stream\.registry\.url must be the address"):
        Registry(RegistrySettings())


def descriptor(name: str, *messages: Any, imports: tuple[str, ...] = ()) -> str:
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(
        name=name, package="acme", syntax="proto3", dependency=imports, message_type=messages
    )
    return b64encode(file.SerializeToString()).decode()


def message(name: str, *fields: tuple[str, int, int, str], nested: tuple[Any, ...] = ()) -> Any:
    from google.protobuf import descriptor_pb2

    made = descriptor_pb2.DescriptorProto(name=name, nested_type=nested)
    for number, (field, kind, label, of) in enumerate(fields, 1):
        made.field.add(name=field, number=number, type=kind, label=label, type_name=of or None)
    return made


async def test_protobuf_with_places_references_and_well_known_types(
    settings: RegistrySettings, stand_in: StandIn
) -> None:
    pytest.importorskip("google.protobuf", reason="pip install tidegate[protobuf]")
    inner = message(
        "Inner", ("model", 11, 1, ".acme.Model"), ("at", 11, 1, ".google.protobuf.Timestamp")
    )
    imports = ("model.proto", "google/protobuf/timestamp.proto")
    stand_in.schemas["/schemas/ids/9"] = {
        "schemaType": "PROTOBUF",
        "schema": descriptor(
            "r.proto", message("A"), message("B", nested=(inner,)), imports=imports
        ),
        "references": [{"name": "model.proto", "subject": "m/x", "version": 1}],
    }
    stand_in.schemas["/subjects/m/x/versions/1"] = {
        "schemaType": "PROTOBUF",
        "schema": descriptor("", message("Model", ("name", 9, 1, ""), ("tokens", 3, 1, ""))),
    }
    model = b"\x0a\x05codex\x10\x05"
    payload = b"\x0a" + bytes([len(model)]) + model + b"\x12\x02\x08\x01"

    (found,) = await documents(protobuf(), settings, framed(9, b"\x04\x02\x00" + payload))

    assert found == {"model": {"name": "codex", "tokens": "5"}, "at": "1970-01-01T00:00:01Z"}


@given(st.binary(max_size=60))
def test_any_bytes_are_documents_or_dead_letters(noise: bytes) -> None:
    pytest.importorskip("fastavro", reason="pip install tidegate[avro]")
    pytest.importorskip("google.protobuf", reason="pip install tidegate[protobuf]")
    formats = [
        (avro(), Schema(msgspec.json.encode(MODEL).decode())),
        (protobuf(), Schema(descriptor("m.proto", message("M", ("n", 9, 1, ""))), "PROTOBUF")),
    ]
    for format_, schema in formats:
        format_.learn(7, schema)
        for value in (noise, framed(7, noise), framed(7, b"\x00" + noise)):
            assert len(format_.documents(value)) == 1
