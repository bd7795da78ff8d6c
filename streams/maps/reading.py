"""Messages of a mapped topic in, records of ours and flaws out: what INGEST decodes them with."""

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from streams.maps.formats import Format, Json, shown
from streams.maps.mapping import AsItIs, Mapping
from streams.portions import PORTION, Decoded, Flaw
from streams.windows.check import Reject
from streams.windows.fields import Fields, RecordFields

Step = tuple[int, object, msgspec.Struct | Reject | None]
"""Line, document, and what became of it."""


class MapDecoder:
    """Takes the place of ``Decoder`` where the messages are not ours.

    A message holds documents, and each may become a record by every mapping: the line of a record
    counts through both.

    in_time_us: a record that is older than this when it is appended counts as of then; None: none.
    """

    def __init__(
        self,
        format_: Format,
        mappings: Sequence[Mapping | AsItIs],
        *,
        max_message_bytes: int,
        in_time_us: int | None = None,
    ) -> None:
        self.format = format_
        self._in_time_us = in_time_us
        self._mappings = mappings
        self._max_message_bytes = max_message_bytes

    def decode(
        self,
        values: Sequence[bytes | None],
        add: Callable[[Fields], None],
        stamps_us: Sequence[int],
    ) -> Decoded:
        """Hands all records on to ``add``, in portions; empty messages are tombstones."""
        result = Decoded()
        records: list[msgspec.Struct] = []
        places: list[tuple[int, int]] = []
        for number, value in enumerate(values):
            for line, document, found in self.steps(value) if value else ():
                if isinstance(found, Reject):
                    raw = self._raw(document, value or b"")
                    result.flaws.append(Flaw(number, line, found, raw))
                elif found is not None:
                    records.append(self._in_time(found, stamps_us[number]))
                    places.append((number, line))
            if len(records) >= PORTION:
                _hand_on(records, places, add, result)
                records, places = [], []
        _hand_on(records, places, add, result)
        return result

    def steps(self, value: bytes) -> Iterator[Step]:
        """Everything that one message says."""
        if len(value) > self._max_message_bytes:
            detail = f"{len(value)} bytes, allowed are {self._max_message_bytes}"
            yield 0, None, Reject("too_large", detail)
            return
        for place, document in enumerate(self.format.documents(value)):
            if isinstance(document, Reject):
                yield place * len(self._mappings), None, document
                continue
            for number, mapping in enumerate(self._mappings):
                yield place * len(self._mappings) + number, document, mapping.of(document)

    def _in_time(self, record: msgspec.Struct, stamp_us: int) -> msgspec.Struct:
        at_us = getattr(record, "at_us")  # noqa: B009 -- every record has it
        if self._in_time_us is None or at_us >= stamp_us - self._in_time_us:
            return record
        return msgspec.structs.replace(record, at_us=stamp_us)

    def _raw(self, document: object, value: bytes) -> bytes:
        """Of what could not be read only JSON is shown: in other bytes nothing can be redacted."""
        if document is not None:
            return shown(document)
        return value if isinstance(self.format, Json) else b"%d bytes" % len(value)

    def raw_of(self, value: bytes) -> Callable[[int], bytes]:
        """Line -> the document as JSON, of a message from which records were read."""
        documents = self.format.documents(value)
        return lambda line: shown(documents[line // len(self._mappings)])


def _hand_on(
    records: list[msgspec.Struct],
    places: list[tuple[int, int]],
    add: Callable[[Fields], None],
    result: Decoded,
) -> None:
    if records:
        add(RecordFields(records))
        message, line = np.array(places, np.int64).T
        result.places.append((message, line))
