"""Which fault when, and the captions that tell what came of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from streams.clock import SECOND_US
from streams.schemas.incidents import Incident
from streams.schemas.telemetry import Change
from tidegate.demo.faults import FAULTS, HOLD_S, Truth

WARM_UP_S = 45.0
REST_S = 22.0
FOUND_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One fault of the story; ``at_s`` counts from the first request."""

    fault: str
    at_s: float
    hold_s: float


def acts(seed: int, duration_s: float) -> Iterator[Act]:
    """One fault at a time, in random order, with a rest between, none that cannot play out.

    The first one goes by the seed: any five seeds in a row begin with all five faults.
    """
    rng = np.random.default_rng([seed, 1])  # other dice than the traffic's
    at_s = WARM_UP_S + float(rng.uniform(0, 10))
    names = sorted(FAULTS)
    first = names[(seed + 1) % len(names)]
    while True:
        rest = [name for name in names if name != first]
        for fault in (first, *rng.permutation(rest)):
            hold_s = HOLD_S[fault]
            if at_s + hold_s > duration_s:
                return
            yield Act(fault=str(fault), at_s=at_s, hold_s=hold_s)
            at_s += hold_s + REST_S + float(rng.uniform(0, 8))


@dataclass(slots=True)
class Scored:
    """A fault and what the system made of it."""

    truth: Truth
    found_at_us: int | None = None
    incident: str = ""
    cause: str = ""
    sentence: str = ""
    events: list[tuple[int, str]] = field(default_factory=list)

    @property
    def found_after_s(self) -> float | None:
        if self.found_at_us is None:
            return None
        return (self.found_at_us - self.truth.onset_us) / SECOND_US

    @property
    def in_time(self) -> bool:
        return self.found_after_s is not None and self.found_after_s <= FOUND_WITHIN_S


class Story:
    """Truths, incidents and changes in the order they became known -> captions."""

    def __init__(self, start_us: int) -> None:
        self.start_us = start_us
        self.scored: list[Scored] = []

    def begun(self, truth: Truth) -> str:
        self.scored.append(Scored(truth, events=[(truth.onset_us, truth.caption)]))
        return f"{self.minute(truth.onset_us)} {truth.caption}"

    def incident(self, incident: Incident, seen_us: int) -> str | None:
        """The next caption if this is the first incident that names the newest fault rightly."""
        for scored in reversed(self.scored):
            if scored.found_at_us is None and scored.truth.named_by(incident):
                scored.found_at_us = seen_us
                scored.incident = incident.id
                cause = incident.causes[0] if incident.causes else None
                scored.cause = cause.kind if cause else "unknown"
                scored.sentence = cause.sentence if cause else incident.title
                return self._tell(scored, seen_us, f"found, cause named: {scored.sentence}")
        return None

    def change(self, change: Change, seen_us: int) -> str | None:
        """Changes of the pool in question, told as part of the newest fault's story."""
        if not self.scored or change.at_us < self.scored[-1].truth.onset_us:
            return None
        scored = self.scored[-1]
        told = {
            "set_aside": "traffic moved",
            "replica_ready": f"{change.replica} ready",
            "scaled": change.summary.partition(" (")[0],
        }.get(change.kind)
        if told is None or change.pool != scored.truth.pool:
            return None
        if any(text == told for _, text in scored.events):
            return None
        return self._tell(scored, seen_us, told)

    def _tell(self, scored: Scored, at_us: int, text: str) -> str:
        scored.events.append((at_us, text))
        return f"  → {self.minute(at_us)} {text}"

    def whole(self, scored: Scored) -> str:
        """`0:40 we froze codex-2 → 0:43 found, ... → 0:44 traffic moved`."""
        parts = [f"{self.minute(at_us)} {text}" for at_us, text in sorted(scored.events)]
        return " → ".join(parts)

    def minute(self, at_us: int) -> str:
        seconds = max(0, (at_us - self.start_us) // SECOND_US)
        return f"{seconds // 60}:{seconds % 60:02d}"


def verdict(scored: Sequence[Scored]) -> str:
    """`5 faults, 5 named in time, the slowest after 6.1 s`."""
    found = [s.found_after_s for s in scored if s.found_after_s is not None]
    slowest = f", the slowest after {max(found):.1f} s" if found else ""
    return f"{len(scored)} faults, {sum(s.in_time for s in scored)} named in time{slowest}"
