"""Prefill and decode of one service: planned together, within the GPUs there are and an hour's."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.allocation.claim import Claim, Grant, Leg, Stock
from autoscaler.allocation.in_step import grants_in_step
from autoscaler.allocation.market import Market
from autoscaler.allocation.settings import ClaimSettings, StockSettings
from autoscaler.decide import decide, repeats
from autoscaler.explain import explain
from autoscaler.settings import ScalingSettings
from autoscaler.situation import Situation
from model_backend.settings import PoolSettings
from streams.codec import encode_record
from streams.errors import InvalidParameterError
from tests.autoscaler.test_decide import situation


def pool(name: str, role: str, service: str = "codex", **but: Any) -> PoolSettings:
    usual = {"model": "m", "hardware": "h100", "max_replicas": 20}
    return PoolSettings(name=name, service=service, role=role, **(usual | but))


POOLS = (pool("read", "prefill"), pool("write", "decode"), pool("chat", "unified", "chat"))


def market(gpus: int | None = None, *claims: ClaimSettings) -> Market:
    here = () if gpus is None else (StockSettings(name="here", hardware="h100", gpus=gpus),)
    return Market(ScalingSettings(stocks=here, claims=claims), POOLS, "local")


def wants(name: str, replicas: int, **but: Any) -> Situation:
    """One replica stands, and so many are called for, each taking ``4 / service_s`` a second."""
    upper = 4.0 * replicas
    usual = {"standing": 1, "ready": 1, "kept": 0.0, "high": 20, "gpus_per_hour": 100}
    asked = {"pool": name, "upper": upper, "demand": upper / 2, "highest_recent": replicas}
    return situation(**(usual | asked | but))


def both(read: dict[str, Any] | None = None, write: dict[str, Any] | None = None) -> Any:
    """Three that read four requests a second each, and six that write two each."""
    usual = {"service_s": 1.0}, {"service_s": 2.0}
    return [
        wants("read", 3, **(usual[0] | (read or {}))),
        wants("write", 6, **(usual[1] | (write or {}))),
    ]


def sizes(market: Market, *situations: Situation) -> tuple[int, ...]:
    return tuple(decision.desired for decision in market.decide(situations))


@pytest.mark.parametrize(
    ("gpus", "granted"),
    [
        pytest.param(20, (3, 6), id="enough-for-both"),
        pytest.param(8, (3, 5), id="the-slower-one-first"),
        pytest.param(6, (2, 4), id="in-step"),
        pytest.param(4, (1, 2), id="and-none-for-what-the-other-could-not-follow"),
    ],
)
def test_gpus_go_to_whichever_of_the_two_takes_fewer_requests(
    gpus: int, granted: tuple[int, int]
) -> None:
    assert sizes(market(gpus), *both()) == granted


@pytest.mark.parametrize(
    ("read", "write", "granted"),
    [
        pytest.param({}, {"high": 2}, (1, 2), id="may-not"),
        pytest.param({}, {"failed_starts": 2}, (1, 1), id="fails-to-start"),
        pytest.param({"failed_starts": 2}, {}, (1, 2), id="prefill-fails-to-start"),
        pytest.param({}, {"standing": 6, "overdue": 5}, (1, 6), id="never-comes"),
        pytest.param({"standing": 3}, {"high": 2}, (3, 2), id="what-stands-is-kept"),
        pytest.param({}, {"ladder": "shadow"}, (3, 1), id="unless-others-scale-it"),
        pytest.param({}, {"service_s": 0.0}, (3, 1), id="or-its-pace-is-not-known"),
    ],
)
def test_neither_grows_beyond_what_the_other_can_follow(
    read: dict[str, Any], write: dict[str, Any], granted: tuple[int, int]
) -> None:
    assert sizes(market(), *both(read, write)) == granted


@pytest.mark.parametrize(("left", "granted"), [(0, (1, 1)), (3, (2, 3)), (4, (2, 4)), (9, (3, 6))])
def test_an_hours_gpus_are_one_budget(left: int, granted: tuple[int, int]) -> None:
    hour = {"gpus_per_hour": left + 5, "gpus_ordered": 5}
    assert sizes(market(), *both(hour, {"gpus_per_hour": left + 5})) == granted


def test_what_stands_idle_gives_way_to_others_only() -> None:
    stuck = both({"standing": 3, "ready": 3}, {"standing": 1, "high": 1})
    assert sizes(market(6), *stuck) == (3, 1)
    chat = wants("chat", 4)
    assert sizes(market(6), *stuck, chat) == (1, 1, 4)


def test_both_have_the_higher_of_their_priorities() -> None:
    first = market(6, ClaimSettings(pool="write", priority=1))
    assert sizes(first, *both(), wants("chat", 6)) == (2, 3, 1)


def test_those_alone_are_decided_as_ever() -> None:
    chat = wants("chat", 4)
    assert encode_record(market().decide([chat])[0]) == encode_record(decide(chat))


def test_it_is_said_in_words_and_decided_again_from_its_record() -> None:
    read, write = market().decide(both(write={"high": 2}))
    assert read.reason.endswith(
        "; 1: write cannot have more than 2 now, and as many requests take no more than 1 here"
    )
    assert any("goes through read (role prefill) as well" in said for said in
               explain(write).situation)  # fmt: skip
    assert repeats(encode_record(read))
    assert repeats(encode_record(write))


def test_decode_follows_what_prefill_hands_over() -> None:
    waiting = {"in_flight": 4, "queued": 90.0, "standing": 3, "ready": 3, "upper": 12.0}
    _, write = market().decide(both(waiting, {"upper": 4.0, "demand": 2.0}))
    assert write.desired == 6  # three read twelve requests a second, each is written for 2 s
    assert "24 to come from read" in write.reason


def test_in_shadow_it_is_said_what_both_would_have() -> None:
    still = {"ladder": "shadow"}
    found = market().decide(both(still, still | {"high": 2}))
    assert [(one.desired, one.wanted) for one in found] == [(1, 1), (1, 2)]


@pytest.mark.parametrize("roles", [("prefill", "prefill", "decode"), ("prefill", "decode") * 2])
def test_who_goes_with_whom_must_be_clear(roles: tuple[str, ...]) -> None:
    pools = [pool(f"p{number}", role) for number, role in enumerate(roles)]
    with pytest.raises(InvalidParameterError, match="one of role prefill and one of role decode"):
        Market(ScalingSettings(), pools, "local")


RATES = st.sampled_from([0.1, 0.7, 1.0, 3.0, 10.0])


@st.composite
def pairs(draw: st.DrawFn, sizes: st.SearchStrategy[int]) -> tuple[list[Claim], Stock]:
    """Any two mates and any third pool, before any stock."""
    stock = Stock(name="here", gpus=draw(st.integers(0, 60)), price=1.0)
    return [
        _claim(draw, name, mate, stock, draw(sizes))
        for name, mate in (("read", "write"), ("write", "read"), ("chat", ""))
    ], stock


def _claim(draw: st.DrawFn, name: str, mate: str, stock: Stock, gpus: int) -> Claim:
    replicas = draw(st.integers(0, 12))
    together = sorted((draw(st.floats(0, 100)) for _ in range(replicas)), reverse=True)
    leg = Leg(
        mate=mate,
        rate_per_s=draw(RATES),
        standing=draw(st.integers(0, 12)),
        called=replicas + draw(st.integers(0, 5)),
        together=tuple(together),
    )
    kept = draw(st.integers(0, replicas))
    last = draw(st.integers(0, replicas))
    return Claim(pool=name, replicas=replicas, gpus=gpus, stocks=(stock,), kept=kept, last=last,
                 worth=tuple(together), leg=leg if mate else None)  # fmt: skip


def _grown_idly(claim: Claim, mate: Claim, grants: dict[str, Grant]) -> bool:
    """The last replica does nothing, and was not there before, and nobody insists on it."""
    assert claim.leg
    assert mate.leg
    mine, its = grants[claim.pool].replicas, grants[mate.pool].replicas
    if its >= mate.leg.called or mine <= max(claim.kept, claim.leg.standing):
        return False
    return (mine - 1) * claim.leg.rate_per_s >= its * mate.leg.rate_per_s + 1e-6


@given(pairs(st.integers(1, 8)))
def test_never_is_one_grown_while_the_other_is_the_bottleneck(
    drawn: tuple[list[Claim], Stock],
) -> None:
    claims, stock = drawn
    read, write, _ = claims
    _, grants = grants_in_step(claims, [stock])
    assert not _grown_idly(read, write, grants)
    assert not _grown_idly(write, read, grants)


@given(st.tuples(RATES, RATES), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.integers(0, 20))
def test_alone_before_a_stock_no_split_serves_more(
    rates: tuple[float, float], called: tuple[int, int], gpus: int
) -> None:
    stock = Stock(name="here", gpus=gpus, price=1.0)
    claims = [
        Claim(
            pool=name,
            replicas=n,
            stocks=(stock,),
            leg=Leg(mate=mate, rate_per_s=rate, standing=0, called=n, together=()),
        )
        for name, mate, n, rate in zip(("a", "b"), ("b", "a"), called, rates, strict=True)
    ]
    _, grants = grants_in_step(claims, [stock])

    def served(first: int, second: int) -> float:
        return min(first * rates[0], second * rates[1])

    best = max(
        served(i, j)
        for i, j in product(range(called[0] + 1), range(called[1] + 1))
        if i + j <= gpus
    )
    assert served(*(grants[name].replicas for name in "ab")) == pytest.approx(best)
