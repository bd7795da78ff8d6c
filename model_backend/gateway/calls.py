"""One request from its arrival to its end: everything that is told about it."""

from dataclasses import dataclass, field
from typing import Literal

from model_backend.gateway.lanes import Flight
from model_backend.gateway.sse import Usage

Route = Literal["chat", "completions", "videos"]
End = Literal["finished", "rejected", "cancelled"]


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """Filled in on the way; instants are None until they have come."""

    id: str
    route: Route
    arrived_at_us: int
    client_retry: int = 0
    """How often its client has sent it before, as SDKs say: no new demand."""
    tenant: str = ""
    pool: str = ""
    model: str = ""
    admitted: bool = False
    """It counts as demand: `arrived` was told."""
    over: bool = False
    """Its end was told."""
    headers: dict[str, str] = field(default_factory=dict)
    """For every answer: its id, what is left of the limits."""
    replica: str = ""
    attempt: int = 0
    sent_at_us: int | None = None
    """When a replica took it, at the last attempt."""
    first_at_us: int | None = None
    last_at_us: int | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0

    def sent(self, flight: Flight, attempt: int) -> None:
        self.replica, self.attempt = flight.lane.replica, attempt
        self.sent_at_us = flight.taken_at_us

    def heard(self, now_us: int) -> None:
        """Bytes of a stream were passed on."""
        if self.first_at_us is None:
            self.first_at_us = now_us
        self.last_at_us = now_us

    def count(self, usage: Usage | None, tokens: int) -> None:
        """What the engine counted or, where it did not say, what we saw."""
        if usage is not None:
            self.prompt_tokens = usage.prompt_tokens or self.prompt_tokens
        self.output_tokens = usage.completion_tokens if usage is not None else tokens

    @property
    def queue_s(self) -> float | None:
        return self._since_arrival(self.sent_at_us)

    @property
    def ttft_s(self) -> float | None:
        return self._since_arrival(self.first_at_us)

    @property
    def inter_token_s(self) -> float | None:
        """Mean time between output tokens; None for fewer than two."""
        if self.first_at_us is None or self.last_at_us is None or self.output_tokens < 2:
            return None
        return max(0, self.last_at_us - self.first_at_us) / (self.output_tokens - 1) / 1e6

    def duration_s(self, now_us: int) -> float:
        return max(0, now_us - self.arrived_at_us) / 1e6

    def _since_arrival(self, at_us: int | None) -> float | None:
        return None if at_us is None else max(0, at_us - self.arrived_at_us) / 1e6
