"""Incidents, rules and what was told already in; who is told now, and why, out."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

from streams.clock import SECOND_US
from streams.schemas.base import Record
from streams.schemas.incidents import SEVERITIES, Alert, Incident, Rule, Severity

Status = Literal["firing", "resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """A channel as the plan sees it."""

    channel: str
    min_severity: Severity = "warning"


class Told(Record, frozen=True, kw_only=True):
    """What a channel was told last of an incident."""

    incident: str
    channel: str
    status: Status
    at_us: int
    severity: Severity
    repeats: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One incident, one channel, one moment. told: what the channel heard of it last."""

    incident: Incident
    audience: Audience
    now_us: int
    told: Told | None = None
    silences: tuple[Rule, ...] = ()
    repeat_after_s: float = 14_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the channel is told now: then ``alert`` and ``told`` are there; why, either way."""

    reason: str
    alert: Alert | None = None
    told: Told | None = None


def verdict(situation: Situation) -> Verdict:
    """Tell, unless there is an objection."""
    for objection in OBJECTIONS:
        if reason := objection(situation):
            return Verdict(reason=reason)
    return _tell(situation)


# --- objections: the reason not to tell, or nothing -----------------------------------------------


def is_unheard_of(situation: Situation) -> str:
    """That it is over is told to whoever heard of it, and to nobody else."""
    told = situation.told
    if situation.incident.state == "open" or (told and told.status == "firing"):
        return ""
    return "it is over, and so it was told" if told else "it is over, and was never told"


def is_too_mild(situation: Situation) -> str:
    severity, least = situation.incident.severity, situation.audience.min_severity
    if situation.told is not None or SEVERITIES.index(severity) >= SEVERITIES.index(least):
        return ""
    return f"{severity} is below {least}"


def is_silenced(situation: Situation) -> str:
    """Silences do not hide that something is over: nobody should go on working on it."""
    if situation.incident.state == "resolved":
        return ""
    for rule in situation.silences:
        if silences_it(rule, situation.incident, situation.now_us):
            return f"silenced by {rule.actor}" + (f": {rule.reason}" if rule.reason else "")
    return ""


def was_told_lately(situation: Situation) -> str:
    told = situation.told
    if told is None or situation.incident.state == "resolved":
        return ""
    since_s = (situation.now_us - told.at_us) / SECOND_US
    if since_s >= situation.repeat_after_s:
        return ""
    return f"told {since_s:.0f} s ago, again after {situation.repeat_after_s:.0f} s"


OBJECTIONS: Final[tuple[Callable[[Situation], str], ...]] = (
    is_unheard_of,
    is_too_mild,
    is_silenced,
    was_told_lately,
)


def silences_it(rule: Rule, incident: Incident, now_us: int) -> bool:
    """Whether the rule is a silence in force whose every matcher fits the incident.

    Matchers: ``incident``, ``cluster``, ``service``, ``pool``, ``subject``, ``kind``, ``severity``
    -> value; an unknown name matches nothing.
    """
    if rule.kind != "silence" or rule.ended or now_us < rule.at_us:
        return False
    if rule.expires_at_us is not None and now_us >= rule.expires_at_us:
        return False
    facts = {
        "incident": incident.id,
        "cluster": incident.cluster,
        "service": incident.service,
        "pool": incident.pool,
        "subject": incident.subject.name,
        "kind": incident.causes[0].kind if incident.causes else "unknown",
        "severity": incident.severity,
    }
    wanted = {**rule.matchers, "cluster": rule.cluster}
    if rule.pool:
        wanted["pool"] = rule.pool
    return all(facts.get(name) == value for name, value in wanted.items())


def alert_id(incident: str, channel: str, status: Status, repeats: int) -> str:
    """The idempotency key: attempts share it, a repeat hours later must not be taken for one."""
    said = f"{incident}/{channel}/{status}" + (f"/{repeats}" if repeats else "")
    return "ALT-" + blake2b(said.encode(), digest_size=8).hexdigest()


def _tell(situation: Situation) -> Verdict:
    incident, channel, before = situation.incident, situation.audience.channel, situation.told
    status: Status = "resolved" if incident.state == "resolved" else "firing"
    told = Told(
        incident=incident.id,
        channel=channel,
        status=status,
        at_us=situation.now_us,
        # The severity first told stays: receivers that match on it must recognise the resolution.
        severity=before.severity if before else incident.severity,
        repeats=before.repeats + 1 if before and status == "firing" else 0,
    )
    alert = Alert(
        id=alert_id(incident.id, channel, status, told.repeats),
        incident=incident.id,
        channel=channel,
        status=status,
        delivery="pending",
        at_us=situation.now_us,
        severity=told.severity,
        title=incident.title,
        about=incident,
    )
    reason = "it is resolved" if status == "resolved" else "it is open"
    return Verdict(reason=reason, alert=alert, told=told)
