"""Incidents and rules in; notifications that are due out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from detectors.alerts.plan import Audience, Situation, Told, verdict
from detectors.state import Ledger
from streams.clock import SECOND_US
from streams.codec import decode_record
from streams.schemas.base import Record
from streams.schemas.incidents import Incident, Rule
from streams.stage import Arrival, Out, Outcome, Tick

MAX_INCIDENTS: Final = 2_000
"""Beyond that the ones heard of longest ago are forgotten, resolved ones first."""
MAX_RULES: Final = 1_000
RESOLVED_FOR_US: Final = 600 * SECOND_US


class Alerts:
    """The thinking of ALERT (a ``streams.stage.Thinker``).

    Publishes an Alert with delivery ``pending`` per channel that is to be told; the sender sends
    it. State: one object per incident, per silence, and per channel that was told of an incident.
    """

    inputs: tuple[str, ...] = ("incidents", "rules")

    def __init__(self, audiences: Sequence[Audience], *, repeat_after_s: float = 14_400.0) -> None:
        self._audiences = audiences
        self._repeat_after_s = repeat_after_s
        self._incidents: dict[str, Incident] = {}
        self._silences: dict[str, Rule] = {}
        self._told: dict[tuple[str, str], Told] = {}
        self._ledger = Ledger()

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Raises CorruptMessageError for state that this version cannot read."""
        for key, data in sorted(state.items()):
            shelf, _, name = key.partition("/")
            match shelf:
                case "incident":
                    self._incidents[name] = decode_record(data, Incident)
                case "silence":
                    self._silences[name] = decode_record(data, Rule)
                case "told":
                    told = decode_record(data, Told)
                    self._told[told.incident, told.channel] = told
                case _:
                    continue  # Of a later version: left where it is.
        self._ledger.restored(self._all())

    def step(self, tick: Tick) -> Outcome:
        for arrival in tick.arrivals:
            self._take(arrival)
        self._forget(tick.now_us)
        out: list[Out] = []
        # By age, whatever the order they were restored in.
        for incident in sorted(self._incidents.values(), key=lambda i: (i.opened_at_us, i.id)):
            out += self._tell(incident, tick.now_us)
        return Outcome(out=out, state=self._ledger.changed(self._all()))

    def _take(self, arrival: Arrival) -> None:
        match arrival.record:
            case Incident() as incident:
                self._incidents[incident.id] = incident
            case Rule(kind="silence") as rule:
                self._silences[rule.id] = rule
            case None if arrival.topic == "rules":
                self._silences.pop(arrival.key, None)
            case _:
                pass  # Holds and limits are the planner's.

    def _tell(self, incident: Incident, now_us: int) -> Iterable[Out]:
        for audience in self._audiences:
            judged = verdict(
                Situation(
                    incident=incident,
                    audience=audience,
                    now_us=now_us,
                    told=self._told.get((incident.id, audience.channel)),
                    silences=tuple(self._silences.values()),
                    repeat_after_s=self._repeat_after_s,
                )
            )
            if judged.alert is not None and judged.told is not None:
                self._told[incident.id, audience.channel] = judged.told
                yield Out(topic="alerts", key=judged.alert.id, value=judged.alert)

    def _forget(self, now_us: int) -> None:
        self._silences = {
            rule.id: rule for rule in self._silences.values() if not _is_over(rule, now_us)
        }
        for name in sorted(self._silences, key=lambda n: (self._silences[n].at_us, n))[:-MAX_RULES]:
            del self._silences[name]
        self._incidents = {
            incident.id: incident
            for incident in self._incidents.values()
            if incident.resolved_at_us is None
            or now_us - incident.resolved_at_us <= RESOLVED_FOR_US
        }
        for name in sorted(self._incidents, key=self._worth)[:-MAX_INCIDENTS]:
            del self._incidents[name]
        self._told = {k: t for k, t in self._told.items() if t.incident in self._incidents}

    def _worth(self, name: str) -> tuple[bool, int, str]:
        incident = self._incidents[name]
        return incident.state == "open", incident.updated_at_us, name

    def _all(self) -> Iterable[tuple[str, Record]]:
        for incident in self._incidents.values():
            yield f"incident/{incident.id}", incident
        for rule in self._silences.values():
            yield f"silence/{rule.id}", rule
        for told in self._told.values():
            yield f"told/{told.incident}/{told.channel}", told


def _is_over(rule: Rule, now_us: int) -> bool:
    return rule.ended or (rule.expires_at_us is not None and rule.expires_at_us <= now_us)
