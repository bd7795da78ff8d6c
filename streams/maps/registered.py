"""Messages that name their schema by a registry's number in, documents out: Avro and Protobuf.

The format of Confluent's serializers: a 0, four bytes of schema id (big-endian), then the payload;
Protobuf has the places of its message in the file in front of it. No I/O: what schema an id means
is told by ``learn``.
"""

import struct
from collections.abc import Callable, Sequence
from importlib import import_module
from io import BytesIO
from typing import Any, Final

import msgspec

from streams.errors import MissingRequirementError
from streams.maps.registry_schema import Schema
from streams.rejects import shortened
from streams.windows.check import Reject

MAX_NEW_IDS: Final = 32
"""That are asked for at once: a message may hold any number."""
MAX_SCHEMAS: Final = 1_000
_HEADER: Final = struct.Struct(">bI")
_BROKEN: Final = (
    *(EOFError, ValueError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError),
    *(struct.error, RecursionError),
)
"""What libraries raise over bytes that are something else."""

Read = Callable[[bytes], object]


class Registered:
    """A ``Format`` that first has to learn what the ids of its messages mean."""

    def __init__(self, compile_: Callable[[Schema], Read], kind: str) -> None:
        self._compile = compile_
        self._kind = kind
        self._known: dict[int, Read | Reject] = {}

    def missing(self, values: Sequence[bytes | None]) -> set[int]:
        """Ids that are not known, a few at a time; what was refused before is asked again."""
        self._known = {at: one for at, one in self._known.items() if not isinstance(one, Reject)}
        return set(sorted(ids_in(values) - self._known.keys())[:MAX_NEW_IDS])

    def learn(self, number: int, schema: Schema | Reject) -> None:
        """From now on the id means this; a Reject is what becomes of its messages."""
        if len(self._known) >= MAX_SCHEMAS:
            self._known.clear()
        if isinstance(schema, Schema) and schema.kind != self._kind:
            detail = f"schema {number} must be {self._kind}, is {schema.kind}"
            schema = Reject("unknown_schema", detail)
        self._known[number] = schema if isinstance(schema, Reject) else self._made(number, schema)

    def documents(self, value: bytes) -> Sequence[object]:
        if len(value) < _HEADER.size or value[0] != 0:
            detail = "the message must begin with a 0 and the id of its schema, four bytes"
            return [Reject("unknown_schema", detail)]
        number = _HEADER.unpack_from(value)[1]
        read = self._known.get(number)
        if read is None:
            return [Reject("unknown_schema", f"schema {number} has not been asked for")]
        if isinstance(read, Reject):
            return [read]
        try:
            return [read(value[_HEADER.size :])]
        except _BROKEN as exc:
            said = shortened(f"{type(exc).__name__}: {exc}")
            return [Reject("wrong_type", f"not what schema {number} says ({said})")]

    def _made(self, number: int, schema: Schema) -> Read | Reject:
        try:
            return self._compile(schema)
        except _BROKEN as exc:
            detail = f"schema {number} cannot be used ({shortened(str(exc))})"
            return Reject("unknown_schema", detail)


def ids_in(values: Sequence[bytes | None]) -> set[int]:
    """The schemas that these messages name."""
    long = (value for value in values if value and len(value) >= _HEADER.size)
    return {number for magic, number in map(_HEADER.unpack_from, long) if magic == 0}


def avro() -> Registered:
    """Raises MissingRequirementError without the extra."""
    try:
        fastavro = import_module("fastavro")
        error = import_module("fastavro.schema").SchemaParseException
    except ImportError as exc:
        raise MissingRequirementError("fastavro", "pip install tidegate[avro]") from exc

    def add(schema: Schema, named: dict[str, Any]) -> Any:
        for one in schema.references.values():
            add(one, named)
        return fastavro.parse_schema(msgspec.json.decode(schema.text), named)

    def compiled(schema: Schema) -> Read:
        try:
            parsed = add(schema, {})
        except error as exc:
            raise ValueError(str(exc)) from exc
        return lambda payload: fastavro.schemaless_reader(BytesIO(payload), parsed, None)

    return Registered(compiled, "AVRO")


def protobuf() -> Registered:
    """Schemas are base64 of a FileDescriptorProto. Raises MissingRequirementError."""
    try:
        from streams.maps.descriptors import compiled  # noqa: PLC0415  -- needs the extra
    except ImportError as exc:
        raise MissingRequirementError("protobuf", "pip install tidegate[protobuf]") from exc
    return Registered(compiled, "PROTOBUF")
