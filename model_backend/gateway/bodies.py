"""Request bodies: what the gateway needs of them, checked; all else is passed through."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from model_backend.gateway.refusals import Refusal, invalid

CompletionRoute = Literal["chat", "completions"]
VIDEO_SECONDS: Final = ("4", "8", "12")
VIDEO_SIZES: Final = ("720x1280", "1280x720", "1024x1792", "1792x1024")

_BYTES_PER_TOKEN: Final = 4
"""Of text in common tokenizers, roughly; only ever an estimate until the engine has counted."""


class _Named(msgspec.Struct):
    model: str = ""


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Completion(msgspec.Struct):
    model: str
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


class _Chat(_Completion, kw_only=True):
    messages: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]


class _Text(_Completion, kw_only=True):
    prompt: str | list[str | int | list[int]]


class _Video(msgspec.Struct):
    model: str
    prompt: Annotated[str, msgspec.Meta(min_length=1, max_length=32_000)]
    seconds: str = VIDEO_SECONDS[0]
    size: str = VIDEO_SIZES[0]


_COMPLETIONS: Final[Mapping[CompletionRoute, msgspec.json.Decoder[_Completion]]] = {
    "chat": msgspec.json.Decoder(_Chat),
    "completions": msgspec.json.Decoder(_Text),
}
_NAMED: Final = msgspec.json.Decoder(_Named)
_VIDEO: Final = msgspec.json.Decoder(_Video)
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_JSON: Final = msgspec.json.Encoder()
_AT: Final = re.compile(r"(?:field `|\$\.)(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """A chat or text completion as asked for."""

    model: str
    stream: bool
    include_usage: bool
    """The client wants the chunk with the usage."""
    body: bytes
    prompt_tokens: int
    """Estimated from the length of the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest:
    """A video job as asked for."""

    model: str
    prompt: str
    seconds: str
    size: str
    body: bytes


def parse_completion(body: bytes, route: CompletionRoute) -> CompletionRequest | Refusal:
    try:
        found = _COMPLETIONS[route].decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        return _what_is_wrong(exc)
    options = found.stream_options
    return CompletionRequest(
        model=found.model,
        stream=bool(found.stream),
        include_usage=bool(options and options.include_usage),
        body=body,
        prompt_tokens=max(1, len(body) // _BYTES_PER_TOKEN),
    )


def model_named(body: bytes) -> str:
    """The model that a bad body asks for, as far as it can be read."""
    try:
        return _NAMED.decode(body).model
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def parse_video(body: bytes) -> VideoRequest | Refusal:
    try:
        found = _VIDEO.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        return _what_is_wrong(exc)
    for name, value, allowed in (
        ("seconds", found.seconds, VIDEO_SECONDS),
        ("size", found.size, VIDEO_SIZES),
    ):
        if value not in allowed:
            return invalid(
                f"{name} must be one of {', '.join(allowed)}, got {value[:40]!r}.",
                param=name,
                code="invalid_value",
            )
    return VideoRequest(
        model=found.model, prompt=found.prompt, seconds=found.seconds, size=found.size, body=body
    )


def video_body(form: Mapping[str, str]) -> bytes:
    """The fields of a form as the JSON that replicas read."""
    return _JSON.encode(dict(form))


def upstream_body(request: CompletionRequest, model: str) -> bytes:
    """The body for a replica that knows the model as ``model``; streams must report their usage.

    Only the fields that differ are written anew, all others stay byte for byte.
    """
    changed: dict[str, object] = {}
    if request.model != model:
        changed["model"] = model
    if request.stream and not request.include_usage:
        changed["stream_options"] = {"include_usage": True}
    if not changed:
        return request.body
    fields = _FIELDS.decode(request.body)
    options = fields.get("stream_options")
    if "stream_options" in changed and options is not None and bytes(options) != b"null":
        changed["stream_options"] = {**_FIELDS.decode(options), "include_usage": True}
    return _JSON.encode({**fields, **changed})


def _what_is_wrong(exc: Exception) -> Refusal:
    if isinstance(exc, msgspec.ValidationError):
        where = _AT.search(str(exc))
        return invalid(f"{exc}.", param=where.group(1) if where else None, code="invalid_value")
    return invalid(f"The body is not valid JSON: {exc}.")
