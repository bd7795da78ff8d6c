"""Signed webhooks after the Standard Webhooks specification."""

import binascii
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from standardwebhooks import Webhook

from detectors.alerts.channels.base import Delivery, delivery_of
from detectors.alerts.http import Poster, checked_url
from detectors.settings import ChannelSettings
from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.schemas.incidents import Alert, Incident

BODY_BYTES: Final = 20_000
"""The specification asks receivers to take no more."""
_MAX_LISTED: Final = 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class WebhookChannel:
    """POST of ``{"type", "timestamp", "data"}``, signed.

    ``webhook-id`` is the alert's id, the same in all attempts; ``webhook-timestamp`` and
    ``webhook-signature`` are the attempt's.
    """

    resend_s: float | None = None

    def __init__(self, settings: ChannelSettings) -> None:
        url = checked_url(settings.name, settings.url, allow_private=settings.allow_private)
        self._signer = _signer(settings)
        self._poster = Poster(
            url, timeout_s=settings.timeout_s, allow_private=settings.allow_private
        )

    async def deliver(self, alert: Alert, *, now_us: int) -> Delivery:
        body = body_of(alert)
        headers = {"Content-Type": "application/json", "User-Agent": "tidegate"}
        headers |= signed(self._signer, alert.id, now_us, body)
        return delivery_of(await self._poster.post(body, headers, now_us=now_us))

    async def close(self) -> None:
        await self._poster.close()


def _signer(settings: ChannelSettings) -> Webhook:
    secret = settings.secret.get_secret_value()
    try:
        key = binascii.a2b_base64(secret.removeprefix("whsec_") + "==", strict_mode=False)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith("whsec_") or len(key) < 24:
        allowed = "whsec_ and the base64 of at least 24 random bytes"
        shown = f"{len(secret)} characters" if secret else "nothing"
        raise InvalidParameterError(f"channel {settings.name}: secret", shown, allowed)
    return Webhook(secret)


def signed(signer: Webhook, message_id: str, now_us: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt."""
    now = datetime.fromtimestamp(now_us // SECOND_US, tz=UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now_us // SECOND_US),
        "webhook-signature": signer.sign(msg_id=message_id, timestamp=now, data=body.decode()),
    }


def body_of(alert: Alert) -> bytes:
    """JSON of at most 20 kB; the same bytes in every attempt."""
    event = "opened" if alert.status == "firing" else "resolved"
    data: dict[str, Any] = {
        "alert": alert.id,
        "incident": alert.incident,
        "severity": alert.severity,
        "title": alert.title,
    }
    if alert.about is not None:
        data |= summary_of(alert.about)
    body = {"type": f"incident.{event}", "timestamp": rfc3339(alert.at_us), "data": data}
    encoded = msgspec.json.encode(body)
    while len(encoded) > BODY_BYTES and data.get("timeline"):
        # The latest part of a long story is what a page is for.
        data["timeline"] = data["timeline"][len(data["timeline"]) // 2 + 1 :]
        encoded = msgspec.json.encode(body)
    if len(encoded) > BODY_BYTES:
        for name in ("causes", "timeline"):
            data.pop(name, None)
        data["title"] = alert.title[:1_000]
        encoded = msgspec.json.encode(body)
    return encoded


def summary_of(incident: Incident) -> dict[str, Any]:
    """What a person who is woken by it wants to know."""
    return {
        "state": incident.state,
        "cluster": incident.cluster,
        "service": incident.service,
        "pool": incident.pool,
        "subject": {"kind": incident.subject.kind, "name": incident.subject.name},
        "started_at": rfc3339(incident.started_at_us),
        "opened_at": rfc3339(incident.opened_at_us),
        "resolved_at": rfc3339(incident.resolved_at_us) if incident.resolved_at_us else None,
        "users_hurt": incident.users_hurt,
        "trust_hurt": incident.trust_hurt,
        "causes": [
            {
                "kind": cause.kind,
                "subject": {"kind": cause.subject.kind, "name": cause.subject.name},
                "weight": cause.weight,
                "sentence": cause.sentence,
                "anomalies": len(cause.anomalies),
            }
            for cause in incident.causes
        ],
        "timeline": [
            {"at": rfc3339(at_us), "sentence": sentence}
            for at_us, sentence in incident.timeline[-_MAX_LISTED:]
        ],
    }


def rfc3339(at_us: int) -> str:
    """UTC to the millisecond.

    >>> rfc3339(1_767_225_600_250_000)
    '2026-01-01T00:00:00.250Z'
    """
    at = datetime.fromtimestamp(at_us / SECOND_US, tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
