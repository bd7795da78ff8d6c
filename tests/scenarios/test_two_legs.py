"""A surge on a service whose requests are read by one pool and written by another, on few GPUs."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from autoscaler.allocation.settings import StockSettings
from autoscaler.planner import Planner
from model_backend.settings import BackendSettings, PoolSettings
from streams.stage import Arrival, Tick
from tests.autoscaler.world import (
    ACTING,
    at,
    decisions_of,
    engines_table,
    pool_status,
    requests_table,
)

SERVICE_S: Final = {"read": 1.0, "write": 4.0}
SLOTS: Final = 4
START_S: Final = 10
GPUS: Final = 10


@dataclass(slots=True)
class Request:
    """When it came, and when it was begun to be read."""

    came: int
    begun: int = -1


@dataclass
class Side:
    """Requests that one pool holds, second by second: each takes its time once it has a slot."""

    service_s: int
    starts_at: list[int] = field(default_factory=lambda: [0])
    waiting: deque[Request] = field(default_factory=deque)
    running: deque[tuple[int, Request]] = field(default_factory=deque)

    def order(self, size: int, second: int) -> None:
        self.starts_at = sorted(self.starts_at)[:size]
        self.starts_at += [second + START_S] * (size - len(self.starts_at))

    def ready(self, second: int) -> int:
        return sum(at_s <= second for at_s in self.starts_at)

    def step(self, second: int) -> list[Request]:
        """Those that end in this second."""
        done = []
        while self.running and self.running[0][0] <= second:
            done.append(self.running.popleft()[1])
        while self.waiting and len(self.running) < SLOTS * self.ready(second):
            request = self.waiting.popleft()
            request.begun = second if request.begun < 0 else request.begun
            self.running.append((second + self.service_s, request))
        return done


def served(roles: dict[str, str], seconds: int = 240) -> tuple[int, list[tuple[int, int]]]:
    """Requests that got their whole answer, and both sizes over time: four a second, then 20."""
    pools = [
        PoolSettings(name=name, service="codex", model="m", role=role, max_replicas=20)
        for name, role in roles.items()
    ]
    stock = StockSettings(name="here", hardware="cpu", gpus=GPUS)
    scaling = ACTING.model_copy(update={"stocks": (stock,), "gpus_per_hour": 1_000})
    planner = Planner(scaling, BackendSettings(pools=tuple(pools)))
    sides = {name: Side(int(service_s)) for name, service_s in SERVICE_S.items()}
    total, sizes = 0, []
    for second in range(seconds):
        arrived = 4 if second < 60 else 20
        sides["read"].waiting.extend(Request(second) for _ in range(arrived))
        sides["write"].waiting.extend(sides["read"].step(second))
        ended = sides["write"].step(second)
        total += len(ended)
        records = [
            *_told(sides, second),
            requests_table(
                second,
                "write",
                ended=[(float(one.begun - one.came), float(second - one.begun)) for one in ended],
                first_s=[1.0] * len(ended),
                arrived=arrived,
                tokens=100 * len(ended),
                queued=len(sides["read"].waiting),
                in_flight=sum(len(one.running) for one in sides.values())
                + len(sides["write"].waiting),
            ),
        ]
        arrivals = [
            Arrival(at_us=at(second), id=str(number), topic="any", record=record)
            for number, record in enumerate(records)
        ]
        for one in decisions_of(planner.step(Tick(now_us=at(second + 1), arrivals=arrivals))):
            sides[one.pool].order(one.desired, second)
        sizes.append((len(sides["read"].starts_at), len(sides["write"].starts_at)))
    return total, sizes


def _told(sides: dict[str, Side], second: int) -> list[Any]:
    told: list[Any] = []
    for name, side in sides.items():
        desired, ready = len(side.starts_at), side.ready(second)
        told.append(
            pool_status(second, pool=name, desired=desired, ready=ready,
                        starting=desired - ready, start_delay_s=float(START_S))
        )  # fmt: skip
        waiting = len(side.waiting) if name == "write" else 0
        told.append(
            engines_table(second, f"{name}-1", name, running=len(side.running), waiting=waiting)
        )
    return told


def test_in_step_few_gpus_serve_what_they_can() -> None:
    """Ten GPUs are two that read eight a second and eight that write as many: none does more."""
    total, sizes = served({"read": "prefill", "write": "decode"})
    assert set(sizes[60:]) == {(2, 8)}
    assert total > 0.95 * (60 * 4 + 180 * 8)


def test_planned_each_for_itself_they_serve_fewer() -> None:
    total, _ = served({"read": "unified", "write": "unified"})
    assert total < 0.6 * (60 * 4 + 180 * 8)
