"""How much a tenant may ask for."""

from hypothesis import given, settings
from hypothesis import strategies as st

from model_backend.access.keys import Tenant
from model_backend.access.limits import Allowance, Limits
from streams.clock import SECOND_US

NOON = 1_767_225_600 * SECOND_US
BIRCH = Tenant(name="birch", requests_per_minute=3, max_in_flight=2)


def asked(limits: Limits, seconds: float, tenant: Tenant = BIRCH) -> Allowance:
    """A request that ends at once if it is let in."""
    allowance = limits.admit(tenant, NOON + round(seconds * SECOND_US))
    if allowance.allowed:
        limits.release(tenant.name)
    return allowance


def test_a_minute_may_be_used_in_one_burst_and_no_more() -> None:
    limits = Limits()

    assert [asked(limits, 0).remaining for _ in range(4)] == [2, 1, 0, 0]
    assert asked(limits, 0).reason == "rate_limited"


def test_the_refused_learn_when_to_come_back() -> None:
    limits = Limits()
    for _ in range(3):
        asked(limits, 0)

    assert asked(limits, 5).retry_after_s == 15
    assert asked(limits, 20).allowed


def test_the_limit_comes_back_evenly() -> None:
    limits = Limits()
    for _ in range(3):
        asked(limits, 0)

    found = asked(limits, 40)
    assert (found.remaining, found.reset_s) == (1, 40)


def test_a_refused_request_uses_nothing_up() -> None:
    limits = Limits()
    for _ in range(100):
        asked(limits, 0)

    assert asked(limits, 20).allowed


def test_a_tenant_waits_for_its_own_requests_in_flight() -> None:
    limits = Limits()
    reasons = [limits.admit(BIRCH, NOON).reason for _ in range(3)]
    limits.release("birch")

    assert reasons == ["", "", "too_many_in_flight"]
    assert limits.admit(BIRCH, NOON).allowed


def test_tenants_do_not_feel_each_other() -> None:
    limits, cedar = Limits(), Tenant(name="cedar", requests_per_minute=1, max_in_flight=1)
    for _ in range(9):
        asked(limits, 0)

    assert asked(limits, 0, cedar).allowed


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    limits = Limits()
    for _ in range(3):
        asked(limits, 0)

    assert not asked(limits, -30).allowed


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 10 * SECOND_US), max_size=60), st.integers(1, 20))
def test_no_more_than_burst_and_refill_ever_get_in(gaps_us: list[int], limit: int) -> None:
    limits, now_us, admitted = Limits(), NOON, 0
    tenant = Tenant(name="birch", requests_per_minute=limit, max_in_flight=99)
    for gap_us in gaps_us:
        now_us += gap_us
        admitted += limits.admit(tenant, now_us).allowed

    assert admitted <= limit + (now_us - NOON) * limit / 60e6 + 1
