"""Spans of calls to models in, request events out: names of the conventions, old and new; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from streams.clock import SECOND_US
from streams.schemas.telemetry import RequestEvent, RequestKind

_OPERATIONS: Final = frozenset({"chat", "text_completion", "embeddings", "generate_content", ""})
"""Calls that a model serves; agents and tools make such calls themselves."""
_MARKS: Final = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.system")
_MODEL: Final = ("gen_ai.request.model", "gen_ai.response.model")
_PROMPT: Final = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
_OUTPUT: Final = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
_TTFT: Final = (
    *("gen_ai.server.time_to_first_token", "gen_ai.response.time_to_first_chunk"),
    "gen_ai.latency.time_to_first_token",
)
_QUEUE: Final = ("gen_ai.latency.time_in_queue",)
_STATUS: Final = ("http.response.status_code", "http.status_code", "error.type")
FIRST: Final = frozenset({"gen_ai.first_token", "first_token", "gen_ai.content.completion.chunk"})
"""Names of span events that say that the first token came."""
_LEFT: Final = frozenset({"cancelled", "canceled", "CancelledError", "context canceled", "499"})
_WANTED: Final = frozenset((*_MARKS, *_MODEL, *_PROMPT, *_OUTPUT, *_TTFT, *_QUEUE, *_STATUS))
CLIENT_LEFT: Final = 499
MAX_TOKENS: Final = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span; ``first_us`` is when an event says that the first token came, 0 if none does."""

    id: str
    start_us: int
    end_us: int
    failed: bool
    attributes: Mapping[str, str]
    first_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """Which attributes, of span or resource, name pool and tenant; the first that is there."""

    cluster: str
    pool: tuple[str, ...]
    tenant: tuple[str, ...]

    @property
    def wanted(self) -> frozenset[str]:
        """All attributes that are read; what people wrote is in others, which are left alone."""
        return _WANTED.union(self.pool, self.tenant)


def is_call(attributes: Mapping[str, str]) -> bool:
    """Whether the span is a call that a model serves."""
    operation = attributes.get("gen_ai.operation.name", "")
    return operation in _OPERATIONS and any(mark in attributes for mark in _MARKS)


def events(span: Span, naming: Naming) -> Sequence[RequestEvent] | str:
    """`arrived` at the span's start and how it ended at its end, or why it cannot be read."""
    pool = _first(span.attributes, naming.pool)
    if not pool:
        return f"no pool: none of {', '.join(naming.pool)} is there"
    if not 0 < span.start_us <= span.end_us:
        return "the span must end after its start"
    arrived = RequestEvent(
        kind="arrived",
        at_us=span.start_us,
        cluster=naming.cluster,
        pool=pool,
        model=_first(span.attributes, _MODEL),
        route=span.attributes.get("gen_ai.operation.name", ""),
        tenant=_first(span.attributes, naming.tenant),
        request_id=span.id,
        prompt_tokens=_tokens(span.attributes, _PROMPT),
    )
    return arrived, _ended(span, arrived)


def _ended(span: Span, arrived: RequestEvent) -> RequestEvent:
    kind, status, reason = _outcome(span)
    duration_s = (span.end_us - span.start_us) / SECOND_US
    ttft_s = _seconds(span.attributes, _TTFT)
    if ttft_s is None and span.start_us <= span.first_us <= span.end_us:
        ttft_s = (span.first_us - span.start_us) / SECOND_US
    output = _tokens(span.attributes, _OUTPUT)
    more = output > 1 and ttft_s is not None and ttft_s <= duration_s
    return arrived.but(
        kind=kind,
        at_us=span.end_us,
        prompt_tokens=0,
        output_tokens=output,
        status=status,
        reason=reason,
        duration_s=duration_s,
        queue_s=_seconds(span.attributes, _QUEUE),
        ttft_s=ttft_s,
        # As the conventions define it.
        inter_token_s=(duration_s - (ttft_s or 0)) / (output - 1) if more else None,
    )


def _outcome(span: Span) -> tuple[RequestKind, int, str]:
    said = _first(span.attributes, _STATUS)
    error = span.attributes.get("error.type", "")
    if error in _LEFT or said == str(CLIENT_LEFT):
        return "cancelled", CLIENT_LEFT, "client_left"
    status = int(said) if said.isdecimal() and 100 <= int(said[:3]) < 600 and len(said) == 3 else 0
    if status == HTTPStatus.TOO_MANY_REQUESTS or "rate_limit" in error.lower():
        return "rejected", HTTPStatus.TOO_MANY_REQUESTS, "rate_limited"
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return "rejected", status, "invalid"
    if span.failed or error:
        return "finished", max(status, 500), error[:64] or "failed"
    return "finished", status or 200, ""


def _first(attributes: Mapping[str, str], names: Sequence[str]) -> str:
    return next((attributes[name] for name in names if attributes.get(name)), "")


def _tokens(attributes: Mapping[str, str], names: Sequence[str]) -> int:
    found = _first(attributes, names)
    return int(found) if found.isdecimal() and len(found) < 14 and int(found) < MAX_TOKENS else 0


def _seconds(attributes: Mapping[str, str], names: Sequence[str]) -> float | None:
    try:
        found = float(_first(attributes, names))
    except ValueError:
        return None
    return found if 0 <= found < 10**6 else None
