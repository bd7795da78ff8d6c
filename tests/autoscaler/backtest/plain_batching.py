"""The batching simulator once more, token by token in plain Python, for a pool that never changes.

Written from the description and not from the code: no heaps, no jumps, one list a replica.
"""

import math
from dataclasses import dataclass, field

from autoscaler.backtest.batch_pool import Requests
from autoscaler.engine import Engine


@dataclass
class Asked:
    arrival_s: float
    unread: int
    prompt: int
    output: int
    tokens_at: list[float] = field(default_factory=list)


@dataclass
class Machine:
    inside: list[Asked] = field(default_factory=list)
    ends_s: float = math.inf
    reading: list[tuple[Asked, int]] = field(default_factory=list)

    def begin(self, engine: Engine, at_s: float) -> None:
        if not self.inside:
            self.ends_s = math.inf
            return
        answered = [one for one in self.inside if one.tokens_at]
        room, self.reading = max(1, engine.chunk_tokens - len(answered)), []
        for one in self.inside:
            if not one.tokens_at and room > 0:
                self.reading.append((one, min(room, one.unread)))
                room -= min(room, one.unread)
        read = sum(count for _, count in self.reading)
        resident = sum(one.prompt + len(one.tokens_at) for one in answered)
        ended = sum(one.unread == count for one, count in self.reading)
        given = len(answered) + ended if answered else max(0, ended - 1)
        self.ends_s = at_s + engine.takes_s(read, given, resident)

    def end(self) -> None:
        for one in self.inside:
            if one.tokens_at:
                one.tokens_at.append(self.ends_s)
        for one, count in self.reading:
            one.unread -= count
            if one.unread == 0:
                one.tokens_at.append(self.ends_s)
        self.inside = [one for one in self.inside if len(one.tokens_at) < one.output]


def played(requests: Requests, engine: Engine, replicas: int, until_s: float) -> list[Asked]:
    """Every request, with the instants of its tokens."""
    asked = [Asked(*map(float, row)) for row in zip(*requests, strict=True)]  # type: ignore[arg-type]
    for one in asked:
        one.unread, one.prompt, one.output = int(one.unread), int(one.prompt), int(one.output)
    machines, queue = [Machine() for _ in range(replicas)], list(asked)
    came: list[Asked] = []
    while True:
        arrival = queue[0].arrival_s if queue else math.inf
        ending = min(machines, key=lambda one: one.ends_s)
        at_s = min(arrival, ending.ends_s)
        if at_s >= until_s:
            return asked
        if ending.ends_s <= arrival:
            ending.end()
            ending.ends_s = math.inf
        else:
            came.append(queue.pop(0))
        _take_in(came, machines, engine)
        for machine in machines:
            if machine.ends_s == math.inf:
                machine.begin(engine, at_s)


def _take_in(came: list[Asked], machines: list[Machine], engine: Engine) -> None:
    while came:
        need = came[0].prompt + came[0].output
        if need > engine.kv_tokens:
            came.pop(0)
            continue
        fit = [
            machine
            for machine in machines
            if len(machine.inside) < engine.slots
            and sum(one.prompt + one.output for one in machine.inside) + need <= engine.kv_tokens
        ]
        if not fit:
            return
        min(fit, key=lambda one: len(one.inside)).inside.append(came.pop(0))
