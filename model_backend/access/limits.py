"""How much a tenant may ask for now: requests a minute and requests in flight."""

from dataclasses import dataclass
from typing import Final, Literal

from model_backend.access.keys import Tenant

WINDOW_US: Final = 60_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The answer to one request, with what the client is told about its limit."""

    reason: Literal["", "rate_limited", "too_many_in_flight"]
    """Empty: go ahead."""
    limit: int
    remaining: int
    reset_s: float
    """Until the whole limit is there again."""
    retry_after_s: float = 0.0

    @property
    def allowed(self) -> bool:
        return not self.reason


class Limits:
    """Counts each tenant's requests by the generic cell rate algorithm (GCRA).

    One instant per tenant, ``full_at``, says when its whole limit is there again: each request
    moves it on by ``60 s / limit``, and is refused if it came to lie more than 60 s ahead. So a
    tenant may use its minute in one burst and then gets it back evenly; the clock going back
    gives nothing away. Holds one entry per tenant of the settings, so it cannot grow.
    """

    def __init__(self) -> None:
        self._full_at_us: dict[str, int] = {}
        self._in_flight: dict[str, int] = {}

    def admit(self, tenant: Tenant, now_us: int) -> Allowance:
        """Take one request in, or say why not. What is taken in must be released."""
        limit = tenant.requests_per_minute
        step_us = max(1, WINDOW_US // limit)
        full_at_us = max(self._full_at_us.get(tenant.name, 0), now_us)
        in_flight = self._in_flight.get(tenant.name, 0)
        excess_us = full_at_us + step_us - (now_us + WINDOW_US)
        reason: Literal["", "rate_limited", "too_many_in_flight"] = ""
        retry_after_s = 0.0
        if excess_us > 0:
            reason, retry_after_s = "rate_limited", excess_us / 1e6
        elif in_flight >= tenant.max_in_flight:
            reason, retry_after_s = "too_many_in_flight", 1.0
        else:
            full_at_us += step_us
            self._full_at_us[tenant.name] = full_at_us
            self._in_flight[tenant.name] = in_flight + 1
        return Allowance(
            reason=reason,
            limit=limit,
            remaining=max(0, (now_us + WINDOW_US - full_at_us) // step_us),
            reset_s=(full_at_us - now_us) / 1e6,
            retry_after_s=retry_after_s,
        )

    def release(self, tenant: str) -> None:
        """A request that was taken in has ended."""
        self._in_flight[tenant] -= 1
