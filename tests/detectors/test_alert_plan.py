from typing import Any

import pytest

from detectors.alerts import alerts as module
from detectors.alerts.alerts import Alerts
from detectors.alerts.plan import Audience, Situation, Told, Verdict, verdict
from streams.clock import SECOND_US
from streams.schemas.incidents import Alert, Cause, Incident, Rule, Subject
from streams.stage import Arrival, Tick

NOW_US = 1_767_225_600 * SECOND_US
HOUR_US = 3_600 * SECOND_US


def incident(**but: Any) -> Incident:
    subject = Subject(kind="replica", name="codex-2")
    usual: dict[str, Any] = {
        "id": "INC-1",
        "state": "open",
        "severity": "warning",
        "cluster": "local",
        "pool": "codex",
        "subject": subject,
        "title": "codex-2 is frozen",
        "started_at_us": NOW_US,
        "opened_at_us": NOW_US,
        "updated_at_us": NOW_US,
        "causes": (Cause(kind="replica_frozen", subject=subject, weight=0.9, sentence="s"),),
    }
    return Incident(**(usual | but))


def over(**but: Any) -> Incident:
    return incident(state="resolved", resolved_at_us=NOW_US, **but)


def told(**but: Any) -> Told:
    usual: dict[str, Any] = {
        "incident": "INC-1",
        "channel": "pager",
        "status": "firing",
        "at_us": NOW_US - HOUR_US,
        "severity": "warning",
    }
    return Told(**(usual | but))


def silence(**but: Any) -> Rule:
    usual: dict[str, Any] = {
        "id": "r1",
        "kind": "silence",
        "at_us": NOW_US - SECOND_US,
        "actor": "ann",
        "reason": "rack move",
        "matchers": {"pool": "codex"},
    }
    return Rule(**(usual | but))


def judged(**but: Any) -> Verdict:
    usual: dict[str, Any] = {
        "incident": incident(),
        "audience": Audience(channel="pager"),
        "now_us": NOW_US,
    }
    return verdict(Situation(**(usual | but)))


def due(**but: Any) -> Alert:
    alert = judged(**but).alert
    assert alert is not None
    return alert


@pytest.mark.parametrize(
    ("but", "says"),
    [
        pytest.param({}, "firing", id="an-open-incident-is-told"),
        pytest.param({"incident": incident(severity="info")}, None, id="but-not-a-mild-one"),
        pytest.param({"told": told()}, None, id="nor-again-after-an-hour"),
        pytest.param(
            {"told": told(at_us=NOW_US - 4 * HOUR_US)}, "firing", id="but-again-after-four"
        ),
        pytest.param({"silences": (silence(),)}, None, id="silenced"),
        pytest.param(
            {"silences": (silence(expires_at_us=NOW_US),)}, "firing", id="a-silence-expires"
        ),
        pytest.param({"silences": (silence(ended=True),)}, "firing", id="or-is-ended"),
        pytest.param({"silences": (silence(at_us=NOW_US + 1),)}, "firing", id="or-has-not-begun"),
        pytest.param(
            {"silences": (silence(matchers={"pool": "sora"}),)}, "firing", id="or-is-of-another"
        ),
        pytest.param(
            {"silences": (silence(matchers={"team": "x"}),)}, "firing", id="or-matches-nothing"
        ),
        pytest.param(
            {"silences": (silence(matchers={}, cluster="west"),)}, "firing", id="or-elsewhere"
        ),
        pytest.param(
            {"silences": (silence(matchers={}, pool="codex"),)}, None, id="a-pool-is-silenced"
        ),
        pytest.param({"incident": over(), "told": told()}, "resolved", id="the-end-is-told"),
        pytest.param(
            {"incident": over(), "told": told(), "silences": (silence(),)},
            "resolved",
            id="in-spite-of-silences",
        ),
        pytest.param({"incident": over()}, None, id="not-to-who-never-heard-of-it"),
        pytest.param(
            {"incident": over(), "told": told(status="resolved")}, None, id="and-only-once"
        ),
        pytest.param(
            {"incident": over(severity="info"), "told": told()},
            "resolved",
            id="and-also-when-it-became-mild",
        ),
    ],
)
def test_who_is_told(but: dict[str, Any], says: str | None) -> None:
    alert = judged(**but).alert
    assert (alert.status if alert else None) == says


def test_a_verdict_gives_its_reason() -> None:
    assert judged(silences=(silence(),)).reason == "silenced by ann: rack move"
    assert judged(told=told()).reason == "told 3600 s ago, again after 14400 s"


def test_attempts_and_restarts_share_the_id_and_a_repeat_has_its_own() -> None:
    first, again = due(), due(now_us=NOW_US + 1)
    repeat = due(told=told(at_us=NOW_US - 4 * HOUR_US))
    assert first.id == again.id != repeat.id


def test_an_end_has_the_severity_that_was_told_first() -> None:
    assert due(incident=over(severity="critical"), told=told()).severity == "warning"


# --- the thinker ----------------------------------------------------------------------------------


class Desk:
    """ALERT with one or more channels; ``forgetful`` restarts it before every step."""

    def __init__(self, *channels: str, forgetful: bool = False) -> None:
        self.audiences = [Audience(channel=name) for name in channels or ("pager",)]
        self.alerts = Alerts(self.audiences)
        self.stored: dict[str, bytes] = {}
        self.forgetful = forgetful
        self.now_us = NOW_US

    def step(self, *records: Any, seconds: float = 1) -> list[Alert]:
        self.now_us += round(seconds * SECOND_US)
        if self.forgetful:
            self.alerts = Alerts(self.audiences)
            self.alerts.restore(dict(self.stored))
        arrivals = [
            Arrival(
                at_us=self.now_us,
                id=record.id,
                key=record.id,
                topic="rules" if isinstance(record, Rule) else "incidents",
                record=record,
            )
            for record in records
        ]
        outcome = self.alerts.step(Tick(now_us=self.now_us, arrivals=arrivals))
        for key, value in outcome.state.items():
            self.stored.pop(key, None)
            if value is not None:
                self.stored[key] = value
        return [out.value for out in outcome.out if isinstance(out.value, Alert)]


def test_every_channel_is_told_once() -> None:
    desk = Desk("pager", "chat")
    first = desk.step(incident())
    assert [alert.channel for alert in first] == ["pager", "chat"]
    assert desk.step(incident(title="codex-2 died")) == []


def test_a_silence_that_ends_tells_of_what_is_still_open() -> None:
    desk = Desk()
    assert desk.step(silence(), incident()) == []
    assert [alert.status for alert in desk.step(silence(ended=True))] == ["firing"]


def test_a_silence_that_is_deleted_ends_too() -> None:
    desk = Desk()
    desk.step(silence(), incident())
    gone = Arrival(at_us=desk.now_us, id="r1", topic="rules", key="r1", record=None)
    assert desk.alerts.step(Tick(now_us=desk.now_us, arrivals=[gone])).out


def test_a_mild_incident_is_told_when_it_becomes_severe() -> None:
    desk = Desk()
    assert desk.step(incident(severity="info")) == []
    assert [alert.severity for alert in desk.step(incident(severity="critical"))] == ["critical"]


def test_an_open_incident_is_told_again_after_four_hours_without_any_news() -> None:
    desk = Desk()
    desk.step(incident())
    assert [desk.step(seconds=3_599) for _ in range(4)][-1] == []
    assert len(desk.step(seconds=60)) == 1


@pytest.mark.parametrize("forgetful", [False, True])
def test_a_restart_tells_nobody_twice(forgetful: bool) -> None:
    desk = Desk(forgetful=forgetful)
    said = [desk.step(incident()), desk.step(), desk.step(incident()), desk.step(over())]
    assert [[alert.status for alert in alerts] for alerts in said] == [
        ["firing"],
        [],
        [],
        ["resolved"],
    ]


def test_what_is_over_is_forgotten_and_its_state_with_it() -> None:
    desk = Desk()
    desk.step(incident())
    desk.step(over())
    desk.step(seconds=700)
    assert desk.stored == {}


@pytest.mark.parametrize("forgetful", [False, True])
def test_a_silence_outlives_a_restart(forgetful: bool) -> None:
    desk = Desk(forgetful=forgetful)
    desk.step(silence())
    assert desk.step(incident()) == []


def test_holds_and_limits_are_not_kept_here() -> None:
    desk = Desk()
    desk.step(silence(kind="hold"))
    assert desk.stored == {}


def test_incidents_are_told_oldest_first_whatever_the_order_they_came_in() -> None:
    late, early = incident(id="INC-2", opened_at_us=NOW_US + 1), incident(id="INC-3")
    assert [alert.incident for alert in Desk().step(late, early)] == ["INC-3", "INC-2"]


def test_beyond_the_bound_what_is_over_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_INCIDENTS", 2)
    monkeypatch.setattr(module, "MAX_RULES", 1)
    desk = Desk()
    desk.step(over(id="INC-9"), incident(id="INC-1"), incident(id="INC-2"))
    desk.step(silence(id="r1", matchers={"pool": "x"}), silence(id="r2", matchers={"pool": "x"}))
    kept = {key for key in desk.stored if not key.startswith("told/")}
    assert kept == {"incident/INC-1", "incident/INC-2", "silence/r2"}


def test_state_of_a_later_version_is_left_where_it_is() -> None:
    alerts = Alerts([])
    alerts.restore({"dream/1": b"{}"})
    assert alerts.step(Tick(now_us=NOW_US)).state == {}
