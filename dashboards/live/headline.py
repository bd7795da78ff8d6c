"""The first thing an operator reads: is anything wrong, where, since when, and what was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autoscaler.api.health import Health
from autoscaler.api.summary import PoolSummary
from dashboards.live.story import newest_turn
from dashboards.live.wording import count, span
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import SEVERITIES, Incident
from streams.schemas.scaling import Decision, ReplicaStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the headline is made of."""

    health: Health
    pools: Sequence[PoolSummary]
    incidents: Sequence[Incident]
    """Open ones first, then newest first."""
    anomalies: Sequence[Anomaly]
    """Open ones."""
    decisions: Sequence[Decision]
    starting: Sequence[ReplicaStatus] = ()
    tokens_per_s: float | None = None
    """What engines say, where they are only looked at and no gateway speaks for users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """``since_us`` is shown as a running clock beside the title."""

    tone: Literal["quiet", "warn", "bad", "blind", "waiting"]
    title: str
    lines: tuple[str, ...]
    since_us: int | None = None


def headline(facts: Facts) -> Headline:
    """One state of affairs in at most four sentences."""
    opened = [one for one in facts.incidents if one.state == "open"]
    if opened:
        return _trouble(opened, facts)
    if not facts.pools:
        waiting = "Waiting for the first records."
        return Headline(tone="waiting", title=waiting, lines=(_capital(facts.health.sentence),))
    if facts.health.status == "degraded":
        return Headline(
            tone="blind",
            title="Part of the picture is missing.",
            lines=(_behind(facts.health), "Pools are not shrunk meanwhile."),
        )
    return _quiet(facts)


def _trouble(opened: Sequence[Incident], facts: Facts) -> Headline:
    worst = min(opened, key=lambda one: (-SEVERITIES.index(one.severity), one.started_at_us))
    cause = worst.causes[0].sentence if worst.causes else "The cause is not known yet."
    lines = [_sentence(cause), *_users(worst, facts), *_what_was_done(worst, facts)]
    if others := [one.title for one in opened if one.id != worst.id]:
        lines.append(f"Also: {_sentence('; '.join(others[:3]))}")
    if facts.health.status == "degraded":
        lines.append(_behind(facts.health))
    return Headline(
        tone="bad" if worst.severity == "critical" else "warn",
        title=_sentence(worst.title),
        lines=tuple(lines),
        since_us=worst.started_at_us,
    )


def _users(incident: Incident, facts: Facts) -> list[str]:
    """Engines do not know whom they keep waiting."""
    if facts.tokens_per_s is not None:
        return []
    return ["Users are affected." if incident.users_hurt else "No user is affected so far."]


def _what_was_done(incident: Incident, facts: Facts) -> list[str]:
    done = []
    turn = newest_turn(facts.decisions, incident.pool, incident.started_at_us)
    pool = next((one for one in facts.pools if one.pool == incident.pool), None)
    if turn:
        wish = count(turn.desired, "replica")
        done.append(f"The scaler took {turn.pool} from {turn.current} to {wish}: {turn.reason}.")
    elif pool and pool.decided_at_us:
        kept = count(pool.desired_replicas, "replica")
        done.append(f"The scaler keeps {pool.pool} at {kept}: {pool.reason}.")
    if coming := [one.replica for one in facts.starting if one.pool == incident.pool]:
        done.append(f"On the way: {', '.join(coming[:4])}.")
    return done


def _quiet(facts: Facts) -> Headline:
    ready = sum(pool.ready for pool in facts.pools)
    lines = [
        f"{count(ready, 'replica')} in {count(len(facts.pools), 'pool')} "
        f"{'serves' if ready == 1 else 'serve'} {_served(facts)} a second."
    ]
    if coming := sum(pool.starting for pool in facts.pools):
        lines.append(f"{count(coming, 'replica')} on the way.")
    if facts.anomalies:
        lines.append(
            f"{count(len(facts.anomalies), 'anomaly', 'anomalies')} under observation, no incident."
        )
    if facts.incidents:
        last = facts.incidents[0]
        ended_us = last.resolved_at_us or last.updated_at_us
        ago = span(max(0.0, (facts.health.at_us - ended_us) / SECOND_US))
        lines.append(f"Last incident: {last.title.rstrip('.')}, over since {ago}.")
    return Headline(tone="quiet", title="All quiet.", lines=tuple(lines))


def _served(facts: Facts) -> str:
    if facts.tokens_per_s is not None:
        return f"{facts.tokens_per_s:.3g} tokens"
    return f"{sum(pool.arrivals_per_s for pool in facts.pools):.2g} requests"


def _behind(health: Health) -> str:
    """The health's own sentence, unless it would name every stage one by one."""
    late = [one for one in health.stages if one.state in {"late", "silent"}]
    if len(late) < 3:
        return _capital(health.sentence)
    worst = max(one.lag_s or 0.0 for one in late)
    stages = count(len(health.stages), "stage")
    return f"{len(late)} of {stages} are behind, by up to {span(worst)}."


def _capital(text: str) -> str:
    return _sentence(text[:1].upper() + text[1:])


def _sentence(text: str) -> str:
    """With a full stop.

    >>> _sentence("codex-2 is frozen"), _sentence("Done.")
    ('codex-2 is frozen.', 'Done.')
    """
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
