from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from detectors.alerts.channels.webhook import BODY_BYTES, WebhookChannel, body_of, signed
from detectors.settings import ChannelSettings
from streams.errors import InvalidParameterError
from streams.schemas.incidents import Alert, Cause, Incident, Subject

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
AT_US = 1_767_225_600_000_000


def incident(**but: Any) -> Incident:
    subject = Subject(kind="replica", name="codex-2")
    cause = Cause(kind="replica_frozen", subject=subject, weight=0.9, sentence="silent for 4 s")
    usual: dict[str, Any] = {
        "id": "INC-0123456789",
        "state": "open",
        "severity": "critical",
        "cluster": "local",
        "service": "codex",
        "pool": "codex",
        "subject": subject,
        "title": "codex-2 is frozen",
        "started_at_us": AT_US - 3_000_000,
        "opened_at_us": AT_US,
        "updated_at_us": AT_US,
        "causes": (cause,),
        "timeline": ((AT_US, "opened: silent for 4 s"),),
    }
    return Incident(**(usual | but))


def alert(**but: Any) -> Alert:
    usual: dict[str, Any] = {
        "id": "ALT-1",
        "incident": "INC-0123456789",
        "channel": "pager",
        "status": "firing",
        "delivery": "pending",
        "at_us": AT_US,
        "severity": "critical",
        "title": "codex-2 is frozen",
        "about": incident(),
    }
    return Alert(**(usual | but))


def settings(**but: Any) -> ChannelSettings:
    usual = {"name": "pager", "url": "https://pager.example/hook", "secret": SecretStr(SECRET)}
    return ChannelSettings(**(usual | but))


def test_the_signature_is_that_of_the_published_test_vector() -> None:
    body = b'{"type":"alert.firing","timestamp":"2026-01-01T00:00:00Z","data":{"id":"a1"}}'
    assert signed(Webhook(SECRET), "msg_0001", AT_US + 999_999, body) == {
        "webhook-id": "msg_0001",
        "webhook-timestamp": "1767225600",
        "webhook-signature": "v1,cfY5PYjA1WgKzAwDqYkc22im85SIc1pSYHMlb0Jp8NI=",
    }


def test_a_receiver_with_the_secret_can_verify_what_we_send() -> None:
    now_us = int(datetime.now(tz=UTC).timestamp() * 1_000_000)  # noqa: TID251  # theirs is real
    body = body_of(alert())
    message = Webhook(SECRET).verify(body, signed(Webhook(SECRET), "ALT-1", now_us, body))
    assert message["type"] == "incident.opened"


def test_the_body_says_what_a_person_wants_to_know() -> None:
    data = msgspec.json.decode(body_of(alert()))["data"]
    assert (data["pool"], data["subject"]) == ("codex", {"kind": "replica", "name": "codex-2"})
    assert data["causes"][0]["sentence"] == "silent for 4 s"


def test_a_resolution_has_its_own_type_and_time() -> None:
    over = incident(state="resolved", resolved_at_us=AT_US + 60_000_000)
    message = msgspec.json.decode(body_of(alert(status="resolved", about=over)))
    assert message["type"] == "incident.resolved"
    assert message["data"]["resolved_at"] == "2026-01-01T00:01:00.000Z"


def test_the_body_of_every_attempt_is_the_same() -> None:
    assert body_of(alert()) == body_of(alert(attempts=3))


@pytest.mark.parametrize(
    "long",
    [
        pytest.param({"timeline": tuple((AT_US, "x" * 3_000) for _ in range(50))}, id="timeline"),
        pytest.param({"title": "x" * 50_000}, id="title-of-the-incident"),
        pytest.param({"causes": (incident().causes[0].but(sentence="x" * 50_000),)}, id="cause"),
    ],
)
def test_a_long_story_is_cut_to_what_receivers_take(long: dict[str, Any]) -> None:
    body = body_of(alert(title=long.get("title", "short"), about=incident(**long)))
    assert len(body) <= BODY_BYTES
    assert msgspec.json.decode(body)["data"]["incident"] == "INC-0123456789"


@pytest.mark.parametrize(
    ("but", "named"),
    [
        pytest.param({"secret": SecretStr("")}, "secret must be whsec_", id="no-secret"),
        pytest.param({"secret": SecretStr("hunter2")}, "got '7 characters'", id="not-a-secret"),
        pytest.param({"secret": SecretStr("whsec_aGk=")}, "24 random bytes", id="too-short"),
        pytest.param({"url": "ftp://pager.example"}, "an http(s) URL", id="scheme"),
        pytest.param({"url": "http://127.0.0.1/x"}, "a public address", id="loopback"),
        pytest.param({"url": "http://[::ffff:10.0.0.1]/x"}, "a public address", id="mapped"),
        pytest.param({"url": "http://169.254.169.254/"}, "a public address", id="metadata"),
        pytest.param({"url": "http://127.1/x"}, "plain address", id="short-loopback"),
        pytest.param({"url": "http://2130706433/x"}, "plain address", id="loopback-as-number"),
    ],
)
async def test_settings_that_cannot_work_are_refused_at_start(
    but: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidParameterError) as refused:
        WebhookChannel(settings(**but))
    assert named in str(refused.value)
    assert "hunter2" not in str(refused.value)
