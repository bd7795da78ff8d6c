"""Incidents, changes and decisions in; the chapters of what happened out, newest first."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from dashboards.live.wording import count, span_us
from streams.clock import SECOND_US
from streams.schemas.incidents import Incident
from streams.schemas.scaling import Decision
from streams.schemas.telemetry import Change

Tone = Literal["bad", "warn", "good", "act", "info"]

MAX_CHAPTERS: Final = 40
MAX_STEPS: Final = 12
EPISODE_US: Final = 60 * SECOND_US
"""What happens to a pool this soon after it was scaled belongs to the same chapter."""
ECHO_US: Final = 10 * SECOND_US
AFTERMATH_US: Final = 15 * SECOND_US
"""What happens to a pool this soon after an incident still belongs to it."""

_TONES: Final[dict[str, Tone]] = {
    "replica_ready": "good",
    "taken_back": "good",
    "replica_lost": "bad",
    "set_aside": "warn",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One sentence within a chapter."""

    at_us: int
    sentence: str
    tone: Tone = "info"


@dataclass(slots=True)
class Chapter:
    """An incident, an episode of scaling, or a change that stands alone."""

    id: str
    at_us: int
    until_us: int | None
    """None while it goes on."""
    tone: Tone
    pool: str
    title: str
    steps: list[Step] = field(default_factory=list)

    def takes(self, at_us: int, pool: str) -> bool:
        within = self.until_us is None or at_us <= self.until_us
        return self.pool == pool and self.at_us <= at_us and within


def tell(
    incidents: Iterable[Incident], changes: Iterable[Change], decisions: Iterable[Decision]
) -> list[Chapter]:
    """Newest first, at most 40 chapters of at most 12 steps."""
    incidents, changes, decided = list(incidents), list(changes), turns(decisions)
    echoes = {change.summary for change in changes if _repeats(change, decided)}
    told = {change for incident in incidents for change in incident.changes}
    chapters = [_incident(one, echoes) for one in incidents]
    news = [one for one in changes if one.summary not in echoes and one.id not in told]
    events: list[Decision | Change] = [*decided, *news]
    for event in sorted(events, key=lambda one: (one.at_us, isinstance(one, Change), one.id)):
        step = _step(event)
        home = next((one for one in chapters if one.takes(step.at_us, event.pool)), None)
        if home is None:
            chapters.append(_alone(event))
        elif all(known.sentence != step.sentence for known in home.steps):
            home.steps.append(step)
    for chapter in chapters:
        chapter.steps.sort(key=lambda step: step.at_us)
        chapter.steps = chapter.steps[-MAX_STEPS:]
    return sorted(chapters, key=lambda one: (-one.at_us, one.id))[:MAX_CHAPTERS]


def _incident(incident: Incident, echoes: Collection[str]) -> Chapter:
    ended = incident.resolved_at_us
    steps = [Step(*entry) for entry in incident.timeline if entry[1] not in echoes]
    cause = incident.causes[0] if incident.causes else None
    if cause and cause.sentence and not steps:
        steps.append(Step(incident.opened_at_us, cause.sentence))
    if ended and all(step.at_us < ended for step in steps):
        lasted = span_us(ended - incident.started_at_us)
        steps.append(Step(ended, f"Over after {lasted}.", "good"))
    return Chapter(
        id=incident.id,
        at_us=incident.started_at_us,
        until_us=ended and ended + AFTERMATH_US,
        tone="good" if ended else "bad" if incident.severity == "critical" else "warn",
        pool=incident.pool,
        title=incident.title,
        steps=steps,
    )


def _repeats(change: Change, decided: Sequence[Decision]) -> bool:
    """Whether DRIVE says again what PLAN has just decided."""
    return change.kind == "scaled" and any(
        one.pool == change.pool and abs(one.at_us - change.at_us) < ECHO_US for one in decided
    )


def turns(decisions: Iterable[Decision]) -> list[Decision]:
    """Where a pool's wish begins to differ from what is there; its repetitions are left out."""
    found: list[Decision] = []
    wish: dict[tuple[str, str], int | None] = {}
    for decision in sorted(decisions, key=lambda one: one.at_us):
        pool = (decision.cluster, decision.pool)
        wanted = decision.desired if decision.desired != decision.current else None
        if wanted is not None and wish.get(pool) != wanted:
            found.append(decision)
        wish[pool] = wanted
    return found


def _step(event: Decision | Change) -> Step:
    if isinstance(event, Change):
        return Step(event.at_us, event.summary, _TONES.get(event.kind, "info"))
    return Step(event.at_us, f"{_resized(event)}: {event.reason}", "act")


def _alone(event: Decision | Change) -> Chapter:
    if isinstance(event, Change):
        tone = _TONES.get(event.kind, "info")
        return Chapter(event.id, event.at_us, event.at_us, tone, event.pool, event.summary)
    reason = [Step(event.at_us, event.reason)]
    until_us, title = event.at_us + EPISODE_US, _resized(event)
    return Chapter(event.id, event.at_us, until_us, "act", event.pool, title, reason)


def _resized(decision: Decision) -> str:
    """`codex from 2 to 3 replicas`."""
    wish = count(decision.desired, "replica")
    would = "would go" if decision.dry_run or decision.ladder in {"shadow", "recommend"} else "goes"
    return f"{decision.pool} {would} from {decision.current} to {wish}"


def newest_turn(decisions: Sequence[Decision], pool: str, since_us: int = 0) -> Decision | None:
    """The newest decision to change the pool's size, at or after an instant."""
    found = [one for one in turns(decisions) if one.pool == pool and one.at_us >= since_us]
    return found[-1] if found else None
