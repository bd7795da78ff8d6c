"""The pool of the demo on a slow machine, simulated: each stream at a pace of its own."""

from collections.abc import Callable, Sequence

from tests.scenarios.pool_simulation import Flight, PoolSimulation, Replica, Second

STREAM_S = 4 / 5.7
"""Four slots share 5.7 tokens/s: so long a stream waits for each token when nothing disturbs it."""
ExtraS = Callable[[str, float], float]
"""(replica, second) -> seconds added to each of its tokens."""
BURST_S = 0.25
"""What a replica was late with may follow at once, up to this much (docs/decisions/0005)."""


class PacedPool(PoolSimulation):
    """Every stream waits ``STREAM_S`` for a token, whether or not other slots are taken.

    Two busy cores disturb it: tokens are late by a little, each replica stands still now and then,
    and sometimes all of them do at once, or are late for minutes.

    extra_s: set it to what a fault adds.
    """

    def __init__(self, seed: int, *, replicas: int = 2) -> None:
        super().__init__(seed, replicas=replicas)
        self.extra_s: ExtraS = lambda _replica, _at_s: 0.0
        self._busy = 1.0
        """How late tokens are just now, as a multiple of the usual."""
        self._still_until_s: dict[str, float] = {}

    def step(self, arrivals: Sequence[int]) -> Second:
        self._disturb()
        return super().step(arrivals)

    def _disturb(self) -> None:
        # Half a minute of correlation: a neighbour's test suite, a compaction.
        self._busy *= float(self._busy**-0.03 * self.rng.lognormal(0, 0.15))
        stands = [one.name for one in self.replicas if self.rng.random() < 0.01]
        if self.rng.random() < 0.004:
            stands = [one.name for one in self.replicas]
        for name in stands:
            self._still_until_s[name] = self.now_s + float(self.rng.uniform(0.3, 2.5))

    def _serve(self, one: Replica, until_s: float, second: Second) -> None:
        for flight in tuple(one.flights):
            while not one.frozen and self._leaves_s(one, flight) < until_s:
                self._token(one, flight)
                if flight.done >= flight.tokens:
                    one.flights.remove(flight)
                    second.requests.append(self._finished(one, flight, until_s))
                    break

    def _leaves_s(self, one: Replica, flight: Flight) -> float:
        if not flight.due_s:
            prefill_s = float(self.rng.uniform(0.1, 0.5))
            flight.due_s = flight.started_s + prefill_s
        return max(flight.due_s, self._still_until_s.get(one.name, 0.0))

    def _token(self, one: Replica, flight: Flight) -> None:
        at_s = self._leaves_s(one, flight)
        if flight.last_token_s is None:
            flight.first_s = at_s
        else:
            one.gaps.append(at_s - flight.last_token_s)
        flight.last_token_s = at_s
        flight.done += 1
        one.tokens += 1
        late_s = min(3.0, float(self.rng.exponential(0.06)) * self._busy)
        paced_s = max(flight.due_s, at_s - BURST_S) + STREAM_S
        flight.due_s = max(paced_s + self.extra_s(one.name, at_s), at_s + 0.02) + late_s
