"""Bytes of one message in, the documents that it holds out; one member per format."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from streams.codec import MAX_FRAME_RECORDS
from streams.decode import json_lines
from streams.maps.registered import avro, protobuf
from streams.maps.settings import MapSettings
from streams.receive.settings import ReceiveSettings
from streams.rejects import reject_of, shortened
from streams.windows.check import Reject

if TYPE_CHECKING:
    from streams.receive.otlp import Encoding


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


def format_of(settings: MapSettings, receive: ReceiveSettings) -> Format:
    """How this topic is written; raises MissingRequirementError if an extra is missing."""
    match settings.format:
        case "json":
            return Json()
        case "avro":
            return avro()
        case "protobuf":
            return protobuf()
        case "otlp_proto" | "otlp_json" as name:
            from streams.maps.otlp import OtlpFormat  # noqa: PLC0415  -- loads much for few

            encoding: Encoding = "json" if name == "otlp_json" else "proto"
            of_spans = settings.record == "request"
            return OtlpFormat(encoding, receive, settings.cluster, of_spans=of_spans)


def shown(document: object) -> bytes:
    """A document as JSON, for people."""
    try:
        return msgspec.json.encode(document, enc_hook=str)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as exc:
        return shortened(str(exc)).encode()
