"""Messages out of logs in; the same out, and before the first that names a schema what it means.

So a recording holds all that its Avro and Protobuf need, and replays without a registry.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import msgspec

from streams.batch import Message
from streams.codec import decode_record
from streams.maps.registered import ids_in
from streams.maps.registry import Registry
from streams.maps.registry_schema import Schema
from streams.schemas.base import Record
from streams.settings import StreamSettings
from streams.windows.check import Reject

SCHEMAS: Final = "schemas"
"""Topic of these messages; only recordings have it."""
REGISTERED: Final = frozenset({"avro", "protobuf"})


class Told(Record, frozen=True, kw_only=True):
    """What a registry said that a number means."""

    number: int
    schema: Schema

    @classmethod
    def of(cls, message: Message) -> "Told":
        """Raises CorruptMessageError."""
        return decode_record(message.value or b"", cls)


class _Notes:
    """Learns each number once; one that the registry does not know stays unknown."""

    def __init__(self) -> None:
        self._asked: set[int] = set()
        self._new: list[Told] = []

    def missing(self, values: Sequence[bytes | None]) -> set[int]:
        return ids_in(values) - self._asked

    def learn(self, number: int, schema: Schema | Reject) -> None:
        self._asked.add(number)
        if isinstance(schema, Schema):
            self._new.append(Told(number=number, schema=schema))

    def taken(self) -> Iterator[Told]:
        new, self._new = self._new, []
        yield from new


async def with_schemas(
    messages: AsyncIterator[Message], settings: StreamSettings
) -> AsyncIterator[Message]:
    """Raises RegistryUnavailableError, or InvalidParameterError where no registry is set."""
    mapped = {f"/{one.topic}" for one in settings.maps if one.format in REGISTERED}
    notes = _Notes()
    async for message in messages:
        if message.topic in mapped and notes.missing([message.value]):
            await Registry(settings.registry).teach(notes, [message.value])
            for told in notes.taken():
                value = msgspec.json.encode(told)
                yield Message(SCHEMAS, 0, told.number, message.timestamp_us, b"", value)
        yield message
