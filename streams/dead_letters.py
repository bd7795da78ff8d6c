"""A record that is set aside in, what is written of it out."""

from hashlib import sha256
from typing import TYPE_CHECKING

from streams.redact import redacted_head
from streams.schemas.system import DeadLetter
from streams.stage import Out
from streams.windows.check import Reject

if TYPE_CHECKING:
    from streams.batch import Message


def dead_letter(message: "Message", line: int, raw: bytes, reject: Reject) -> Out:
    """``raw`` are the bytes of the record, ``line`` says which of the message it is.

    The key is its position, so that writing it again overwrites.
    """
    record = DeadLetter(
        at_us=message.timestamp_us,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        line=line,
        reason=reject.reason,
        detail=reject.detail,
        sha256=sha256(raw).hexdigest(),
        size_bytes=len(raw),
        head=redacted_head(raw),
    )
    position = f"{message.topic}/{message.partition}/{message.offset}/{line}"
    return Out(topic="dead-letters", key=position, value=record)
