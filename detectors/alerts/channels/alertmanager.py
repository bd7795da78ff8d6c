"""Prometheus Alertmanager, through its API v2."""

from typing import Any, Final

import msgspec

from detectors.alerts.channels.base import Delivery, delivery_of
from detectors.alerts.channels.webhook import rfc3339
from detectors.alerts.http import Poster, checked_url
from detectors.settings import ChannelSettings
from streams.clock import SECOND_US
from streams.schemas.incidents import Alert

PATH: Final = "/api/v2/alerts"
FIRING_FOR_US: Final = 300 * SECOND_US
"""Alertmanager takes an alert for over when it hears nothing more of it for so long."""


class AlertmanagerChannel:
    """POST of one alert to ``/api/v2/alerts``; told again each minute while it fires.

    Its identity there is the set of labels, so these never change over an incident's life; what
    does change (title, causes, subject) stands in the annotations. A cluster of Alertmanagers is
    one channel each: they share notifications, not alerts.
    """

    resend_s: float | None = 60.0

    def __init__(self, settings: ChannelSettings) -> None:
        url = checked_url(settings.name, settings.url, allow_private=settings.allow_private)
        if not url.path.endswith(PATH):
            url = url / PATH.lstrip("/")
        self._poster = Poster(
            url, timeout_s=settings.timeout_s, allow_private=settings.allow_private
        )

    async def deliver(self, alert: Alert, *, now_us: int) -> Delivery:
        body = msgspec.json.encode([alert_of(alert, now_us=now_us)])
        headers = {"Content-Type": "application/json", "User-Agent": "tidegate"}
        answer = await self._poster.post(body, headers, now_us=now_us)
        delivery = delivery_of(answer)
        if answer.status == 400:
            # It understood and said no; it will not like the same bytes better later.
            return Delivery(ok=False, detail=delivery.detail, final=True)
        return delivery

    async def close(self) -> None:
        await self._poster.close()


def alert_of(alert: Alert, *, now_us: int) -> dict[str, Any]:
    """One element of the body: a firing alert ends five minutes from now unless told again."""
    incident = alert.about
    labels = {
        "alertname": "TidegateIncident",
        "incident": alert.incident,
        "severity": alert.severity,
    }
    annotations = {"summary": alert.title}
    starts_at_us, ends_at_us = alert.at_us, now_us + FIRING_FOR_US
    if incident is not None:
        labels |= {
            name: value
            for name, value in (
                ("cluster", incident.cluster),
                ("service", incident.service),
                ("pool", incident.pool),
            )
            if value
        }
        annotations |= {
            "subject": f"{incident.subject.kind} {incident.subject.name}",
            "description": "; ".join(cause.sentence for cause in incident.causes)[:4_000],
        }
        starts_at_us = incident.started_at_us
    if alert.status == "resolved":
        over_us = incident.resolved_at_us if incident and incident.resolved_at_us else alert.at_us
        ends_at_us = min(over_us, now_us)
    return {
        "labels": labels,
        "annotations": annotations,
        "startsAt": rfc3339(min(starts_at_us, ends_at_us)),
        "endsAt": rfc3339(ends_at_us),
    }
