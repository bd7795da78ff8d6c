from typing import Any

from detectors.alerts.channels.alertmanager import alert_of
from streams.schemas.incidents import Alert, Cause, Incident, Subject

AT_US = 1_767_225_600_000_000
MINUTE_US = 60_000_000


def alert(title: str = "codex-2 is frozen", status: Any = "firing", **but: Any) -> Alert:
    subject = Subject(kind="replica", name=but.pop("subject", "codex-2"))
    usual: dict[str, Any] = {
        "id": "INC-1",
        "state": "open" if status == "firing" else "resolved",
        "severity": "critical",
        "cluster": "local",
        "pool": "codex",
        "subject": subject,
        "title": title,
        "started_at_us": AT_US - MINUTE_US,
        "opened_at_us": AT_US,
        "updated_at_us": AT_US,
        "causes": (Cause(kind="unknown", subject=subject, weight=0.1, sentence="silent"),),
    }
    return Alert(
        id="ALT-1",
        incident="INC-1",
        channel="am",
        status=status,
        delivery="pending",
        at_us=AT_US,
        severity="warning",
        title=title,
        about=Incident(**(usual | but)),
    )


def test_a_firing_alert_ends_five_minutes_from_now_unless_told_again() -> None:
    sent = alert_of(alert(), now_us=AT_US + MINUTE_US)
    assert sent["startsAt"] == "2025-12-31T23:59:00.000Z"
    assert sent["endsAt"] == "2026-01-01T00:06:00.000Z"


def test_a_resolved_alert_ended_when_the_incident_did() -> None:
    over = alert(status="resolved", resolved_at_us=AT_US + MINUTE_US)
    assert alert_of(over, now_us=AT_US + 2 * MINUTE_US)["endsAt"] == "2026-01-01T00:01:00.000Z"


def test_an_end_never_lies_in_the_future_of_the_sender() -> None:
    over = alert(status="resolved", resolved_at_us=AT_US + MINUTE_US)
    assert alert_of(over, now_us=AT_US)["endsAt"] == "2026-01-01T00:00:00.000Z"


def test_what_changes_during_an_incident_is_no_label() -> None:
    before = alert_of(alert("codex is slow", subject="codex"), now_us=AT_US)
    after = alert_of(alert("codex-2 is frozen", status="resolved"), now_us=AT_US + MINUTE_US)
    assert before["labels"] == after["labels"]
    assert before["annotations"] != after["annotations"]


def test_labels_are_never_empty() -> None:
    labels = alert_of(alert(pool=""), now_us=AT_US)["labels"]
    assert "pool" not in labels
    assert labels["alertname"] == "TidegateIncident"


def test_an_alert_of_an_older_version_without_its_incident_is_told_all_the_same() -> None:
    sent = alert_of(alert().but(about=None), now_us=AT_US)
    assert sent["labels"]["incident"] == "INC-1"
