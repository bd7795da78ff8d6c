"""A pool of capped replicas, simulated: what the gateway and the agent would report of it."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from streams.schemas.telemetry import Change, EngineSample, GpuSample, RequestEvent
from tidegate.demo.trace import Pace, plan

SECOND_US = 1_000_000
START_US = 1_767_268_800 * SECOND_US
TENANTS = ("acme", "birch", "cedar")


def traced_arrivals(seed: int, seconds: int, pace: Pace = Pace()) -> list[list[int]]:  # noqa: B008
    """Output tokens of each request to `codex`, second by second, as the demo replays its trace."""
    arrivals: list[list[int]] = [[] for _ in range(seconds)]
    for request in plan(pace, seed):
        if request.at_s >= seconds:
            break
        if request.service == "codex":
            arrivals[int(request.at_s)].append(request.output_tokens)
    return arrivals


@dataclass(slots=True)
class Flight:
    tenant: str
    tokens: int
    arrived_s: float
    started_s: float = 0.0
    last_token_s: float | None = None
    done: int = 0
    first_s: float | None = None
    due_s: float = 0.0
    """When its next token leaves, where each stream has a pace of its own."""


@dataclass(slots=True)
class Replica:
    name: str
    ready_s: float
    slots: int = 4
    extra_s: float = 0.0
    frozen: bool = False
    leaving: bool = False
    flights: list[Flight] = field(default_factory=list)
    next_s: float = 0.0
    turn: int = 0
    gaps: list[float] = field(default_factory=list)
    tokens: int = 0


@dataclass(slots=True)
class Second:
    """Everything reported about one second."""

    requests: list[RequestEvent] = field(default_factory=list)
    engine: list[EngineSample] = field(default_factory=list)
    gpu: list[GpuSample] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


class PoolSimulation:
    """Requests wait in the gateway for a slot; each replica shares its tokens among its flights."""

    def __init__(self, seed: int, *, replicas: int = 2, pool: str = "codex") -> None:
        self.rng = np.random.default_rng(seed)
        self.pool = pool
        self.replicas = [Replica(f"{pool}-{n + 1}", 0.0) for n in range(replicas)]
        self.queue: deque[Flight] = deque()
        self.now_s = 0
        self.token_s = 1 / 12
        self.flood: str = ""
        self._started = replicas
        self._changes: list[Change] = []

    @property
    def now_us(self) -> int:
        return START_US + self.now_s * SECOND_US

    def replica(self, name: str) -> Replica:
        return next(one for one in self.replicas if one.name == name)

    def scale(self, to: int, *, start_s: float = 8.0) -> None:
        """Start replicas, or let the newest drain and go."""
        live = [one for one in self.replicas if not one.leaving]
        self._change("scaled", "")
        for _ in range(to - len(live)):
            self._started += 1
            newcomer = Replica(f"{self.pool}-{self._started}", self.now_s + start_s)
            self.replicas.append(newcomer)
            self._change("replica_started", newcomer.name)
        for one in live[to:]:
            one.leaving = True

    def kill(self, name: str) -> None:
        """The process is gone; whoever runs it notices and says so."""
        lost = self.replica(name)
        self.replicas.remove(lost)
        self.queue.extendleft(lost.flights)
        self._change("replica_lost", name)

    def step(self, arrivals: Sequence[int]) -> Second:
        """One second passes, in which requests with so many output tokens arrive."""
        second = Second(changes=self._changes)
        self._changes = []
        self._arrive(arrivals, second)
        for quarter in range(4):
            until_s = self.now_s + (quarter + 1) / 4
            self._dispatch(until_s - 0.25)
            for one in self.replicas:
                self._serve(one, until_s, second)
        self._retire(second)
        self._report(second)
        self.now_s += 1
        return second

    def _arrive(self, arrivals: Sequence[int], second: Second) -> None:
        for tokens in arrivals:
            tenant = TENANTS[int(self.rng.integers(len(TENANTS)))]
            self.queue.append(Flight(tenant, tokens, self.now_s))
            second.requests.append(self._event("arrived", tenant))
        for _ in range(10 if self.flood else 0):
            second.requests.append(self._event("arrived", self.flood))
            second.requests.append(
                self._event("rejected", self.flood).but(status=400, reason="invalid")
            )

    def _dispatch(self, at_s: float) -> None:
        while self.queue:
            free = [
                one
                for one in self.replicas
                if at_s >= one.ready_s and not one.leaving and len(one.flights) < one.slots
            ]
            if not free:
                return
            flight = self.queue.popleft()
            flight.started_s = at_s
            flight.last_token_s = None
            least = min(free, key=lambda one: len(one.flights))
            least.flights.append(flight)
            least.next_s = max(least.next_s, at_s + float(self.rng.uniform(0.1, 0.5)))

    def _serve(self, one: Replica, until_s: float, second: Second) -> None:
        while one.flights and one.next_s < until_s and not one.frozen:
            flight = one.flights[one.turn % len(one.flights)]
            if flight.last_token_s is None:
                flight.first_s = one.next_s
            else:
                one.gaps.append(one.next_s - flight.last_token_s)
            flight.last_token_s = one.next_s
            flight.done += 1
            one.tokens += 1
            # Two busy cores: tokens jitter, and now and then everything waits for a while.
            jitter = float(self.rng.lognormal(0, 0.2)) + 6 * (self.rng.random() < 0.01)
            one.next_s += self.token_s * jitter + one.extra_s
            one.turn += 1
            if flight.done >= flight.tokens:
                one.flights.remove(flight)
                second.requests.append(self._finished(one, flight, until_s))

    def _retire(self, second: Second) -> None:
        for one in [one for one in self.replicas if one.leaving and not one.flights]:
            self.replicas.remove(one)
            second.changes.append(self._made("replica_stopped", one.name))
        for one in self.replicas:
            if one.ready_s == self.now_s and one.ready_s > 0:
                second.changes.append(self._made("replica_ready", one.name))

    def _report(self, second: Second) -> None:
        in_flight = sum(len(one.flights) for one in self.replicas)
        second.requests.append(
            self._event("gauge", "").but(
                model="", route="", queued=float(len(self.queue)), in_flight=float(in_flight)
            )
        )
        for one in self.replicas:
            second.engine.extend(self._samples(one))
            one.gaps, one.tokens = [], 0

    def _samples(self, one: Replica) -> Iterable[EngineSample]:
        base = EngineSample(at_us=self.now_us + 500_000, pool=self.pool, replica=one.name)
        up = not one.frozen and self.now_s >= one.ready_s
        noise = float(self.rng.lognormal(0, 0.4))
        yield base.but(
            up=float(up),
            scrape_s=0.01 * noise if up else 0.8,
            running=float(len(one.flights)) if up else None,
            output_tokens=one.tokens,
        )
        yield base.but(
            source="process",
            cpu_ratio=0.02 + 0.03 * one.tokens * noise,
            rss_bytes=4e8 + 1e5 * noise,
        )
        if self.now_s < one.ready_s:
            return
        waits = [self.now_s + 1 - (f.last_token_s or f.started_s) for f in one.flights]
        # As the gateway has it: a stream without a token in all of the second is waited for.
        overdue = [
            self.now_s + 1 - f.last_token_s
            for f in one.flights
            if f.last_token_s is not None and f.last_token_s < self.now_s
        ]
        ttft = [f.first_s - f.started_s for f in one.flights if f.first_s and f.done == 1]
        yield base.but(
            source="gateway",
            in_flight=float(len(one.flights)),
            stalled_s=max([0.0, *waits]),
            ttft_s=float(np.mean(ttft)) if ttft else None,
            inter_token_s=float(np.mean(one.gaps + overdue)) if one.gaps + overdue else None,
        )

    def _event(self, kind: str, tenant: str) -> RequestEvent:
        return RequestEvent(
            kind=kind,  # type: ignore[arg-type]
            at_us=self.now_us + int(self.rng.integers(SECOND_US)),
            pool=self.pool,
            model="gemma-3-270m",
            route="chat",
            tenant=tenant,
            prompt_tokens=20,
        )

    def _finished(self, one: Replica, flight: Flight, at_s: float) -> RequestEvent:
        return self._event("finished", flight.tenant).but(
            replica=one.name,
            status=200,
            output_tokens=flight.tokens,
            queue_s=flight.started_s - flight.arrived_s,
            ttft_s=(flight.first_s or at_s) - flight.arrived_s,
            duration_s=at_s - flight.arrived_s,
        )

    def _change(self, kind: str, replica: str) -> None:
        self._changes.append(self._made(kind, replica))

    def _made(self, kind: str, replica: str) -> Change:
        return Change(
            id=f"{self.pool}/{replica}/{kind}@{self.now_us}",
            at_us=self.now_us,
            kind=kind,  # type: ignore[arg-type]
            summary=f"{self.pool} {replica} {kind}",
            pool=self.pool,
            replica=replica,
        )
