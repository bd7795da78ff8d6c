"""The life of one request, told as it happens."""

from __future__ import annotations

from asyncio import CancelledError
from types import TracebackType
from typing import Any, Callable, Final, NamedTuple, Union

from tidegate_client.records import Row

MAX_LABEL_CHARS: Final = 256
"""Tidegate takes no longer ones; they are cut."""
LEFT: Final = 499
"""Status of a request whose client left first, as nginx has it."""
GONE: Final = (CancelledError, GeneratorExit)
"""Who is ended so did not fail."""
REQUEST_KEY: Final = "tidegate.request"
"""Where the middleware leaves the request in the scope."""


class Labels(NamedTuple):
    """What a request is about, in the order of its row."""

    pool: str
    cluster: str
    model: str = ""
    route: str = ""
    tenant: str = ""
    request_id: str = ""


Label = Union[str, Callable[..., str]]
"""A word, or who knows it."""


class LabelsOf(NamedTuple):
    """What says what a request is about."""

    pool: Label
    model: Label = ""
    route: Label = ""
    tenant: Label = ""


class Teller(NamedTuple):
    """How a request makes itself heard."""

    put: Callable[[Row], None]
    """Never waits, never raises."""
    now_us: Callable[[], int]
    monotonic_s: Callable[[], float]


class Request:
    """Has arrived when it is made, and ends once: what is said after that says nothing.

    As a context manager it ends by itself: finished, failed if an exception comes out of it,
    cancelled if its task was. Until it ends, ``prompt_tokens``, ``output_tokens``, ``replica`` and
    ``queue_s`` may be set.
    """

    __slots__ = (
        "_arrived_s", "_attempt", "_ended", "_labels", "_teller", "_ttft_s",
        "output_tokens", "prompt_tokens", "queue_s", "replica",
    )  # fmt: skip

    def __init__(
        self, teller: Teller, labels: Labels, *, prompt_tokens: int = 0, attempt: int = 0
    ) -> None:
        self._teller = teller
        self._labels = labels
        self._attempt = attempt
        self._ended = False
        self._ttft_s: float | None = None
        self.prompt_tokens = prompt_tokens
        self.output_tokens = 0
        self.replica = ""
        self.queue_s: float | None = None
        self._arrived_s = teller.monotonic_s()
        teller.put(("arrived", teller.now_us(), *labels, "", 0, "", attempt, prompt_tokens, 0,
                    None, None, None, None, None, None))  # fmt: skip

    def first_token(self) -> None:
        """Only the first call counts."""
        if self._ttft_s is None:
            self._ttft_s = self._teller.monotonic_s() - self._arrived_s

    def finished(self, *, output_tokens: int | None = None, status: int = 200) -> None:
        if output_tokens is not None:
            self.output_tokens = output_tokens
        self._end("finished", status, "")

    def failed(self, status: int = 500, reason: str = "error") -> None:
        """Our fault. ``reason``: one word, such as `upstream` or the name of an exception."""
        self._end("finished", status, reason)

    def rejected(self, status: int = 429, reason: str = "rate_limited") -> None:
        """Refused; with a status of 500 and above for want of room."""
        self._end("rejected", status, reason)

    def cancelled(self) -> None:
        """Its client left first."""
        self._end("cancelled", LEFT, "")

    def raised(self, error: BaseException) -> None:
        """Failed or cancelled, as the exception has it."""
        if isinstance(error, GONE):
            self.cancelled()
        else:
            self.failed(500, type(error).__name__)

    def _end(self, kind: str, status: int, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        duration_s = self._teller.monotonic_s() - self._arrived_s
        self._teller.put((
            kind, self._teller.now_us(), *self._labels, text(self.replica), status, text(reason),
            self._attempt, self.prompt_tokens, self.output_tokens, self.queue_s, self._ttft_s,
            self._inter_token_s(duration_s), duration_s, None, None,
        ))  # fmt: skip

    def _inter_token_s(self, duration_s: float) -> float | None:
        tokens: Any = self.output_tokens
        if self._ttft_s is None or not isinstance(tokens, int) or tokens < 2:
            return None
        return (duration_s - self._ttft_s) / (tokens - 1)

    def __enter__(self) -> Request:  # noqa: PYI034  Self is not in Python 3.9
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finished()
        else:
            self.raised(error)


def text(value: object) -> str:
    """Whatever came, as a label."""
    if isinstance(value, str):
        return value[:MAX_LABEL_CHARS]
    return "" if value is None else str(value)[:MAX_LABEL_CHARS]
