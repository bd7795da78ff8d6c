"""A replica as the gateway finds it: what is in flight there and how it answers."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from model_backend.gateway.answers import Tally
from streams.clock import SECOND_US
from streams.schemas.scaling import ReplicaState, ReplicaStatus

Break = Literal["moved", "first_byte", "stalled", "too_long"]
"""Why the gateway itself ended an attempt: its replica went silent, or a time limit passed."""


class Guard(Protocol):
    """Ends what runs under it; ``asyncio.Timeout`` is one."""

    def reschedule(self, when: float | None) -> None: ...


@dataclass(slots=True, eq=False)
class Flight:
    """One request at one replica."""

    lane: "Lane"
    request_id: str
    taken_at_us: int
    byte_at_us: int
    """When its last byte came; at first, when it was sent."""
    streamed: bool = False
    """Its first byte is expected soon."""
    heard: bool = False
    """Its first byte has come."""
    spoke: bool = False
    """Its first token has come."""
    token_at_us: int = 0
    """When its last token came; at first, when it was sent."""
    paused: bool = False
    """Its client takes its time to read: what is missing is not the replica's fault."""
    begun: bool = False
    """Its client is being answered: it can no longer move to another replica."""
    first_byte_by_us: int | None = None
    end_by_us: int | None = None
    guard: Guard | None = None
    broken: Break | None = None

    def break_off(self, why: Break) -> None:
        """End the attempt now; whoever runs it sees ``broken``."""
        if self.broken is None:
            self.broken = why
            if self.guard is not None:
                self.guard.reschedule(0.0)

    def stalled_s(self, now_us: int) -> float:
        """How long a client that has begun to read has waited for its next byte."""
        waits = self.begun and not self.paused
        return max(0, now_us - self.byte_at_us) / SECOND_US if waits else 0.0

    def overdue(self, now_us: int) -> Break | None:
        if self.end_by_us is not None and now_us >= self.end_by_us:
            return "too_long"
        waits = self.first_byte_by_us if not self.heard else None
        return "first_byte" if waits is not None and now_us >= waits else None


@dataclass(slots=True)
class Interval:
    """What a lane saw since it was last asked."""

    finished: int = 0
    failed: int = 0
    firsts: int = 0
    firsts_us: int = 0
    gaps: int = 0
    gaps_us: int = 0
    tally: Tally = field(default_factory=Tally)
    since_us: int = 0
    """0 for a lane that was never asked."""

    @property
    def ttft_s(self) -> float | None:
        return self.firsts_us / self.firsts / 1e6 if self.firsts else None

    @property
    def inter_token_s(self) -> float | None:
        return self.gaps_us / self.gaps / 1e6 if self.gaps else None


@dataclass(slots=True, eq=False)
class Lane:
    """One replica: its status, its requests in flight, and whether it is set aside.

    A *sign* of life is any byte of any request, or an answered probe.
    """

    pool: str
    replica: str
    address: str
    slots: int
    pid: int = 0
    state: ReplicaState = "ready"
    flights: set[Flight] = field(default_factory=set)
    set_aside_at_us: int | None = None
    sign_at_us: int = 0
    doubtful: bool = False
    """It did not answer its last probe, and nothing was heard of it since."""
    taken_at_us: int = 0
    probed_at_us: int = 0
    probing: bool = False
    interval: Interval = field(default_factory=Interval)

    @property
    def in_flight(self) -> int:
        return len(self.flights)

    @property
    def has_room(self) -> bool:
        return (
            self.state == "ready"
            and self.address != ""
            and self.set_aside_at_us is None
            and len(self.flights) < self.slots
        )

    @property
    def gone(self) -> bool:
        """Not there any more, as whoever runs it says."""
        return self.state == "stopped"

    def is_same(self, status: ReplicaStatus) -> bool:
        """Whether the status speaks of this process and not of a later one of the same name."""
        return self.address == status.address and self.pid in {0, status.pid}

    def take(self, request_id: str, now_us: int, *, streamed: bool) -> Flight:
        """A request starts here."""
        if not self.flights:
            self.sign_at_us = now_us  # an idle replica owes no sign of life
        self.taken_at_us = now_us
        flight = Flight(self, request_id, now_us, now_us, streamed, token_at_us=now_us)
        self.flights.add(flight)
        return flight

    def heard(self, flight: Flight, now_us: int, tokens: int) -> None:
        """Bytes of a stream came in, with so many tokens among them.

        Up to the first token it is time to first token, from then on time between tokens.
        """
        flight.heard, flight.byte_at_us = True, now_us
        self.sign(now_us)
        if not tokens:
            return
        waited_us = max(0, now_us - flight.token_at_us)
        flight.token_at_us = now_us
        if not flight.spoke:
            flight.spoke = True
            self.interval.firsts += 1
            self.interval.firsts_us += waited_us
        else:
            self.interval.gaps += tokens
            self.interval.gaps_us += waited_us

    def read_on(self, flight: Flight, now_us: int) -> None:
        """The client has taken what came: only from now on is the replica waited for."""
        flight.paused, flight.byte_at_us = False, now_us
        if flight.spoke:
            flight.token_at_us = now_us

    def sign(self, now_us: int) -> None:
        """It lives."""
        self.sign_at_us, self.doubtful = now_us, False

    def end(self, flight: Flight, *, failed: bool | None) -> None:
        """A request left; ``failed`` is None when its client gave up."""
        self.flights.discard(flight)
        if failed is not None:
            self.interval.failed += failed
            self.interval.finished += not failed

    def silent_s(self, now_us: int) -> float:
        return max(0, now_us - self.sign_at_us) / SECOND_US

    def stalled_s(self, now_us: int) -> float:
        """Longest wait for a next byte in flight; of a replica set aside, its silence.

        Who has had no byte yet waits since the last sign of life: a long prompt, or an answer
        that is not streamed, is slow and not stalled.
        """
        if self.set_aside_at_us is not None:
            return self.silent_s(now_us)
        oldest_us = min(
            (
                one.byte_at_us if one.heard else max(one.byte_at_us, self.sign_at_us)
                for one in self.flights
                if not one.paused
            ),
            default=now_us,
        )
        return max(0, now_us - oldest_us) / SECOND_US

    def take_interval(self, now_us: int) -> Interval:
        """What was counted since the last call; counting starts anew.

        A stream that got no token in all that time counts with its wait so far: a gap is known to
        be long well before it ends.
        """
        interval, self.interval = self.interval, Interval(since_us=now_us)
        for flight in self.flights:
            if flight.spoke and not flight.paused and flight.token_at_us < interval.since_us:
                interval.gaps += 1
                interval.gaps_us += now_us - flight.token_at_us
        return interval
