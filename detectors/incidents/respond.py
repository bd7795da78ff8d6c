"""Anomalies, changes, pools, windows, quality and commands in; incidents out."""

from collections.abc import Mapping, Sequence

from detectors.incidents.case import Case
from detectors.incidents.lifecycle import LifecycleRules, advance
from detectors.incidents.manners import Manners
from detectors.incidents.memory import Memory
from streams.schemas.incidents import Command, Incident
from streams.schemas.system import Quality
from streams.stage import Out, Outcome, Tick
from streams.windows.table import Table


class Respond:
    """The thinking of RESPOND (a ``streams.stage.Thinker``).

    Publishes an incident when it opens, changes or resolves, under its id. State: one object each
    for anomalies, changes, replicas, pools, facts, senders and cases that still matter.
    """

    inputs: tuple[str, ...] = ("anomalies", "windows", "changes", "pools", "quality", "commands")

    def __init__(self, rules: LifecycleRules | None = None, *, cluster: str = "local") -> None:
        self._rules = rules or LifecycleRules()
        self._memory = Memory(cluster=cluster)
        self._manners = Manners(cluster=cluster)

    def restore(self, state: Mapping[str, bytes]) -> None:
        self._memory.restore(state)
        self._manners.restore(state)

    def step(self, tick: Tick) -> Outcome:
        memory = self._memory
        for arrival in tick.arrivals:
            memory.take(arrival)
            if isinstance(arrival.record, Quality):
                self._manners.take(arrival.record)
        memory.learn([a.record for a in tick.arrivals if isinstance(a.record, Table)])
        memory.forget(tick.now_us)
        commands = [a.record for a in tick.arrivals if isinstance(a.record, Command)]
        out: list[Out] = []
        for key in memory.busy_pools():
            before = memory.cases_of(key)
            scene = memory.scene(key, tick.now_us)
            after = advance(scene, before, commands, self._rules)
            out += self._kept(before, after, tick.now_us)
        out += map(_out, self._manners.step(tick.now_us, commands))
        return Outcome(out=out, state={**memory.unsaved(), **self._manners.unsaved()})

    def _kept(self, before: Sequence[Case], after: Sequence[Case], now_us: int) -> list[Out]:
        known = {case.incident.id: case for case in before}
        out: list[Out] = []
        for case in after:
            name = case.incident.id
            self._memory.cases[name] = case
            if name not in known or known[name].incident != case.incident:
                incident = case.incident.but(updated_at_us=now_us)
                self._memory.cases[name] = case.but(incident=incident)
                out.append(_out(incident))
        return out


def _out(incident: Incident) -> Out:
    return Out(topic="incidents", key=incident.id, value=incident)
