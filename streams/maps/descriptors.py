"""Serialized descriptors of Protobuf in, readers of messages out."""

from base64 import b64decode
from binascii import Error as BinasciiError
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from streams.maps.registry_schema import Schema

MAX_INDEXES: Final = 16
_TEXT: Final = "the registry gave a .proto text, not a descriptor; register it in serialized form"


def compiled(schema: Schema) -> Callable[[bytes], object]:
    """Reads the places of a message in its file, and the message as a table.

    Whole numbers of 64 bits come as texts, a Timestamp as ISO 8601, an enum as its name.
    """
    pool = descriptor_pool.DescriptorPool()
    file = _added(pool, "", schema, set())

    def read(payload: bytes) -> object:
        places, rest = _places(payload)
        kind = file.message_types_by_name[file.message_type_names[places[0]]]
        for place in places[1:]:
            kind = kind.nested_types[place]
        try:
            message = message_factory.GetMessageClass(kind).FromString(rest)
            return MessageToDict(
                message,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
        except DecodeError as exc:
            raise ValueError(str(exc)) from exc

    return read


class _File:
    """A file in its pool; messages in the order in which it declares them."""

    def __init__(self, descriptor: Any, declared: Any) -> None:
        self.message_types_by_name = descriptor.message_types_by_name
        self.message_type_names = [each.name for each in declared.message_type]


def _added(pool: Any, name: str, schema: Schema, known: set[str]) -> _File:
    declared = descriptor_pb2.FileDescriptorProto()
    try:
        declared.ParseFromString(b64decode(schema.text, validate=True))
    except (BinasciiError, DecodeError) as exc:
        raise ValueError(f"{_TEXT if ';' in schema.text else 'no descriptor'}: {exc}") from exc
    for import_name, one in schema.references.items():
        if import_name not in known:
            _added(pool, import_name, one, known)
    for import_name in declared.dependency:
        if import_name not in known:
            _add_well_known(pool, import_name)
            known.add(import_name)
    declared.name = name or declared.name or "schema.proto"
    known.add(declared.name)
    pool.Add(declared)
    return _File(pool.FindFileByName(declared.name), declared)


def _add_well_known(pool: Any, name: str) -> None:
    """`google/protobuf/timestamp.proto` and its like, which no registry has to hold."""
    try:
        module = import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    except ImportError as exc:
        raise ValueError(f"it imports {name}, which is no reference of it") from exc
    declared = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(declared)
    pool.Add(declared)


def _places(payload: bytes) -> tuple[list[int], bytes]:
    """Zigzag numbers: how many, then each; a single 0 stands for the first message."""
    count, at = _zigzag(payload, 0)
    if not 0 <= count <= MAX_INDEXES:
        raise ValueError(f"{count} places of the message, allowed are {MAX_INDEXES}")
    places = []
    for _ in range(count):
        place, at = _zigzag(payload, at)
        if place < 0:
            raise ValueError("a place of the message is negative")
        places.append(place)
    return places or [0], payload[at:]


def _zigzag(payload: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = payload[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        if shift > 63:
            raise ValueError("a place of the message is no number")
