"""Bytes of one message in, the documents that it holds out; one member per format."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from streams.codec import MAX_FRAME_RECORDS
from streams.decode import json_lines
from streams.rejects import reject_of, shortened
from streams.windows.check import Reject


class Format(Protocol):
    """How the messages of a topic are written."""

    def documents(self, value: bytes) -> Sequence[object]:
        """Texts, numbers, tables and lists of Python's, or in place of a document its Reject.

        Never raises: whatever is wrong is one Reject.
        """
        ...


class Json:
    """One document, a list of them, or one a line."""

    def documents(self, value: bytes) -> Sequence[object]:
        lines = json_lines(value)
        if lines is None:
            found = _json(value)
            found = found if isinstance(found, list) else [found]
        else:
            found = lines
        if len(found) > MAX_FRAME_RECORDS:
            detail = f"{len(found)} documents, allowed are {MAX_FRAME_RECORDS}"
            return [Reject("too_large", detail)]
        return found if lines is None else list(map(_json, lines))


def _json(value: bytes) -> object:
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        return reject_of(exc, value)


FORMATS: Final[Mapping[str, type[Format]]] = {
    "json": Json,
}


def shown(document: object) -> bytes:
    """A document as JSON, for people."""
    try:
        return msgspec.json.encode(document, enc_hook=str)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as exc:
        return shortened(str(exc)).encode()
