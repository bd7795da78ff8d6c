"""Every way the gateway says no, in the form OpenAI's clients read."""

from dataclasses import dataclass
from typing import Final

import msgspec

from streams.errors import TidegateError

MAX_MESSAGE: Final = 2_000
OVERLOADED_RETRY_AFTER_S: Final = 2
_JSON: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error answer. ``reason`` is our own word for it, as events and metrics carry it."""

    status: int
    message: str
    reason: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after_s: int | None = None

    def body(self) -> bytes:
        error = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return _JSON.encode({"error": error})

    def event(self) -> bytes:
        """As the last event of a stream that has begun."""
        return b"data: " + self.body() + b"\n\n"


class RefusedError(TidegateError):
    """Ends the handling of a request with this answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> Refusal:
    return Refusal(status=400, message=message, param=param, code=code, reason="invalid")


def key_missing() -> Refusal:
    return Refusal(
        status=401,
        message="You didn't provide an API key: send it as `Authorization: Bearer <key>`.",
        reason="unauthenticated",
    )


def key_wrong() -> Refusal:
    return Refusal(
        status=401,
        message="Incorrect API key provided.",
        code="invalid_api_key",
        reason="unauthenticated",
    )


def not_found(message: str) -> Refusal:
    return Refusal(status=404, message=message, reason="not_found")


def model_not_found(model: str) -> Refusal:
    return Refusal(
        status=404,
        message=f"The model `{model[:100]}` does not exist or you do not have access to it.",
        param="model",
        code="model_not_found",
        reason="unknown_model",
    )


def wrong_method(method: str, path: str) -> Refusal:
    return Refusal(
        status=405, message=f"{method} is not allowed for {path}.", reason="wrong_method"
    )


def body_late(seconds: float) -> Refusal:
    return Refusal(
        status=408, message=f"The body did not arrive within {seconds:g} s.", reason="body_late"
    )


def too_large(limit_bytes: int) -> Refusal:
    return Refusal(
        status=413,
        message=f"The body must not exceed {limit_bytes} bytes.",
        reason="too_large",
    )


def rate_limited(limit: int, retry_after_s: float) -> Refusal:
    return Refusal(
        status=429,
        message=f"Rate limit reached: {limit} requests per minute. "
        f"Please try again in {retry_after_s:.3g} s.",
        type="rate_limit_error",
        code="rate_limit_exceeded",
        reason="rate_limited",
        retry_after_s=whole_seconds(retry_after_s),
    )


def too_many_in_flight(limit: int) -> Refusal:
    return Refusal(
        status=429,
        message=f"Rate limit reached: {limit} requests in flight. Please wait for one to end.",
        type="rate_limit_error",
        code="rate_limit_exceeded",
        reason="too_many_in_flight",
        retry_after_s=1,
    )


def queue_full(pool: str) -> Refusal:
    return _overloaded(f"The queue of {pool} is full. Please try again later.", "queue_full")


def queue_timeout(pool: str, waited_s: float) -> Refusal:
    return _overloaded(
        f"No replica of {pool} became free within {waited_s:.0f} s.", "queue_timeout"
    )


def _overloaded(message: str, reason: str) -> Refusal:
    return Refusal(
        status=503,
        message=message,
        type="service_unavailable_error",
        code="server_is_overloaded",
        reason=reason,
        retry_after_s=OVERLOADED_RETRY_AFTER_S,
    )


def upstream_failed(message: str) -> Refusal:
    return Refusal(
        status=502, message=message, type="server_error", code="upstream_error", reason="upstream"
    )


def internal() -> Refusal:
    return Refusal(
        status=500,
        message="The gateway failed to handle the request.",
        type="server_error",
        reason="internal",
    )


def upstream_late(message: str) -> Refusal:
    return Refusal(
        status=504,
        message=message,
        type="server_error",
        code="upstream_timeout",
        reason="upstream_timeout",
    )


class _Told(msgspec.Struct):
    """An engine's error; vLLM's ``code`` is a number, some leave out the rest."""

    message: str = ""
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class _Answer(_Told):
    error: _Told | str | None = None


def told_by_replica(status: int, body: bytes) -> Refusal:
    """An error that a replica answered with, in the form our clients read.

    What it says of the request is passed on; that it does not let *us* in is our fault (502).
    """
    if status >= 500 or status in {401, 403}:
        return upstream_failed(f"The model's server answered with status {status}.")
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        answer = _Answer()
    error = _Told(message=answer.error) if isinstance(answer.error, str) else answer.error or answer
    code = error.code if isinstance(error.code, str) else None
    return Refusal(
        status=status,
        message=error.message[:MAX_MESSAGE] or f"The model's server answered with {status}.",
        code=code,
        param=error.param,
        reason="invalid",
    )


def whole_seconds(seconds: float) -> int:
    """Rounded up, at least 1: what Retry-After can carry."""
    return max(1, -int(-seconds // 1))
