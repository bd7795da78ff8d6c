"""The event stream of a completion: pieces as they come in, whole events out."""

from collections.abc import Sequence
from typing import Final

import msgspec

from model_backend.gateway.answers import Answer

MAX_EVENT_BYTES: Final = 1_048_576
"""What is longer than this is no event we look for: it passes as it comes."""


class Usage(msgspec.Struct, frozen=True):
    """What the engine counted."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


_NULL: Final = msgspec.Raw(b"null")


class _Chunk(msgspec.Struct):
    choices: Sequence[msgspec.Raw] = ()
    usage: Usage | None = None
    error: msgspec.Raw = _NULL


class _Whole(msgspec.Struct):
    usage: Usage | None = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_WHOLE: Final = msgspec.json.Decoder(_Whole)


class EventFilter:
    """Passes events on, judges the answer and notes the usage on the way, and takes that out if the
    client did not ask.

    Events may be cut anywhere; only whole ones leave. Most pieces hold plain content, which is
    recognised without decoding JSON, as in ``Answer``.
    """

    __slots__ = ("_keep_usage", "_tail", "answer", "done", "failed", "tokens", "usage")

    def __init__(self, *, keep_usage: bool) -> None:
        self._keep_usage = keep_usage
        self._tail = b""
        self.answer = Answer()
        self.tokens = 0
        """Pieces of text so far: what engines send one token at a time."""
        self.usage: Usage | None = None
        self.done = False
        """The stream said that it is complete."""
        self.failed = False
        """The stream said that it failed; nothing follows."""

    def feed(self, piece: bytes) -> bytes:
        """What the client gets of it now."""
        data = (self._tail + piece) if self._tail else piece
        if b"\r" in data:
            data = data.replace(b"\r", b"")
        end = data.rfind(b"\n\n") + 2
        if end == 1 and len(data) < MAX_EVENT_BYTES:
            self._tail = data
            return b""
        whole, self._tail = (data, b"") if end == 1 else (data[:end], data[end:])
        if self.failed:
            return b""
        self.tokens += self.answer.take(whole)
        if b'"usage"' in whole or b"[DONE]" in whole or b'"error"' in whole:
            return b"".join([self._look(event) for event in whole.split(b"\n\n") if event])
        return whole

    def _look(self, event: bytes) -> bytes:
        if self.failed:
            return b""
        lines = event.split(b"\n")
        payload = b"\n".join([line[5:].strip() for line in lines if line.startswith(b"data:")])
        if payload == b"[DONE]":
            self.done = True
        elif payload and not self._keeps(payload):
            return b""
        return event + b"\n\n"

    def _keeps(self, payload: bytes) -> bool:
        try:
            chunk = _CHUNK.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return True  # not ours to judge: the client sees what the engine sent
        if bytes(chunk.error) != b"null":
            self.failed = True
            return True
        if chunk.usage is not None:
            self.usage = chunk.usage
            return bool(chunk.choices) or self._keep_usage
        return True


def usage_of(body: bytes) -> Usage:
    """The usage within a whole answer; zeros if it has none or is no JSON object."""
    try:
        return _WHOLE.decode(body).usage or Usage()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Usage()
