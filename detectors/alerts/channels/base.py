"""What a place that can be told of incidents looks like to the sender."""

from dataclasses import dataclass
from typing import Protocol

from detectors.alerts.http import Answer
from streams.schemas.incidents import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How one attempt went.

    final: more attempts at this alert are of no use. gone: the place is no more (410); nothing
    should be sent to it again until a person has looked.
    """

    ok: bool
    detail: str = ""
    retry_after_s: float | None = None
    final: bool = False
    gone: bool = False


class Channel(Protocol):
    """One configured place. Made from ``ChannelSettings``; raises InvalidParameterError then for
    settings that can never work.
    """

    resend_s: float | None
    """A receiver that forgets what is not repeated gets open alerts again this often; else None."""

    async def deliver(self, alert: Alert, *, now_us: int) -> Delivery:
        """One attempt. Returns within the channel's timeout and raises for nothing that the other
        side does. Repeating it does no harm: the receiver can tell by the alert's id.
        """
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


def delivery_of(answer: Answer) -> Delivery:
    """2xx is delivered, 410 is gone; all else, redirects too, is a failure worth another try.

    >>> delivery_of(Answer(status=302)).detail
    'HTTP 302'
    """
    if 200 <= answer.status < 300:
        return Delivery(ok=True)
    said = f"HTTP {answer.status}" if answer.status else ""
    detail = ": ".join(part for part in (said, answer.detail) if part)
    gone = answer.status == 410
    return Delivery(
        ok=False, detail=detail, retry_after_s=answer.retry_after_s, final=gone, gone=gone
    )
