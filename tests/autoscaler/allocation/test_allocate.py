"""What is promised of every way to hand out GPUs, tried on any claims and stocks."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.allocation.allocate import allocate
from autoscaler.allocation.claim import Claim, Stock

CHEAP = Stock(name="l40s", gpus=4, price=1.0)
DEAR = Stock(name="h100", gpus=4, price=3.0)
SPOT = Stock(name="spot", gpus=8, price=0.5, spot=True, loss_per_hour=0.1)

ANY = settings(deadline=None, derandomize=True)
Market = tuple[list[Claim], list[Stock]]


def claim(pool: str = "a", **but: Any) -> Claim:
    usual: dict[str, Any] = {"pool": pool, "replicas": 3, "stocks": (CHEAP,)}
    return Claim(**(usual | but))


def replicas(claims: Sequence[Claim], stocks: Sequence[Stock]) -> dict[str, int]:
    return {pool: grant.replicas for pool, grant in allocate(claims, stocks).items()}


@st.composite
def markets(draw: st.DrawFn, *, most_gpus: int = 4) -> Market:
    stocks = [
        Stock(
            name=f"s{n}", gpus=draw(st.integers(0, 30)), price=draw(st.floats(0.1, 9)), spot=n > 1
        )
        for n in range(draw(st.integers(1, 4)))
    ]
    claims = [
        Claim(
            pool=f"p{n}",
            replicas=draw(st.integers(0, 9)),
            gpus=draw(st.integers(1, most_gpus)),
            stocks=tuple(draw(st.permutations(stocks))[: draw(st.integers(1, len(stocks)))]),
            kept=draw(st.integers(0, 2)),
            guarantee=draw(st.integers(0, 4)),
            priority=draw(st.integers(0, 2)),
            deferrable=draw(st.booleans()),
            worth=tuple(sorted(draw(st.lists(st.floats(0, 1e6), max_size=9)), reverse=True)),
            last=draw(st.integers(0, 2)),
            on_demand_ratio=draw(st.floats(0, 1)),
        )
        for n in range(draw(st.integers(0, 6)))
    ]
    return claims, stocks


def one_of_each(market: Market) -> Market:
    """Replicas of one GPU, no spot ones: all that is left differs in is who comes first."""
    claims, stocks = market
    plain = {stock: replace(stock, spot=False) for stock in stocks}
    return [
        replace(one, gpus=1, stocks=tuple(plain[stock] for stock in one.stocks)) for one in claims
    ], list(plain.values())


@ANY
@given(markets())
def test_never_above_a_stock_nor_above_what_is_asked(market: Market) -> None:
    claims, stocks = market
    grants = allocate(claims, stocks)
    for stock in stocks:
        assert sum(grants[one.pool].on.get(stock, 0) * one.gpus for one in claims) <= stock.gpus
    assert all(grants[one.pool].replicas <= one.replicas for one in claims)


@ANY
@given(markets())
def test_no_gpu_is_idle_that_somebody_could_use(market: Market) -> None:
    claims, stocks = market
    grants = allocate(claims, stocks)
    for stock in stocks:
        used = sum(grants[one.pool].on.get(stock, 0) * one.gpus for one in claims)
        short = [one for one in claims if grants[one.pool].replicas < one.replicas]
        if not stock.spot:
            waiting = [one.gpus for one in short if stock in one.stocks]
            assert all(gpus > stock.gpus - used for gpus in waiting)


@ANY
@given(markets())
def test_never_below_a_guarantee_while_guarantees_fit(market: Market) -> None:
    claims = [replace(one, last=0) for one in market[0]]
    firm = [
        replace(one, replicas=min(one.replicas, max(one.kept, one.guarantee))) for one in claims
    ]
    alone = replicas(firm, market[1])
    if all(alone[one.pool] == one.replicas for one in firm):
        given_all = replicas(claims, market[1])
        assert all(given_all[one.pool] >= one.replicas for one in firm)


@ANY
@given(markets(), st.integers(1, 2))
def test_a_lower_priority_takes_nothing_from_a_higher_one(market: Market, least: int) -> None:
    claims = [replace(one, kept=0, guarantee=0, last=0, deferrable=False) for one in market[0]]
    higher = [one for one in claims if one.priority >= least]
    everyone, without = replicas(claims, market[1]), replicas(higher, market[1])
    assert all(everyone[one.pool] == without[one.pool] for one in higher)


@ANY
@given(markets())
def test_what_can_wait_never_takes_from_what_cannot(market: Market) -> None:
    claims = [replace(one, kept=0, guarantee=0, last=0) for one in market[0]]
    urgent = [one for one in claims if not one.deferrable]
    everyone, without = replicas(claims, market[1]), replicas(urgent, market[1])
    assert all(everyone[one.pool] == without[one.pool] for one in urgent)


@ANY
@given(markets().map(one_of_each), st.integers(0, 3))
def test_with_more_gpus_nobody_gets_fewer_replicas(market: Market, which: int) -> None:
    claims, stocks = market
    grown = stocks[which % len(stocks)]
    larger = replace(grown, gpus=grown.gpus + 1)
    richer = [larger if stock == grown else stock for stock in stocks]
    claims_then = [
        replace(one, stocks=tuple(larger if s == grown else s for s in one.stocks))
        for one in claims
    ]
    before, after = replicas(claims, stocks), replicas(claims_then, richer)
    assert all(after[pool] >= before[pool] for pool in before)


@ANY
@given(markets(), st.randoms(use_true_random=False))
def test_the_order_of_pools_and_stocks_does_not_matter(market: Market, shuffle: Any) -> None:
    # All alike in rank, priority and worth: only the name is left to tell them apart.
    claims = [replace(one, kept=0, guarantee=0, priority=0, worth=()) for one in market[0]]
    stocks = list(market[1])
    before = allocate(claims, stocks)
    shuffle.shuffle(claims)
    shuffle.shuffle(stocks)
    assert allocate(claims, stocks) == before


@ANY
@given(markets())
def test_spot_gpus_only_above_what_stands_on_demand(market: Market) -> None:
    grants = allocate(*market)
    for one in market[0]:
        grant = grants[one.pool]
        share = one.on_demand_ratio * grant.replicas - 1e-6
        assert grant.on_spot == 0 or grant.replicas - grant.on_spot >= share


@pytest.mark.parametrize(
    ("a", "b", "granted"),
    [
        pytest.param({}, {}, (3, 1), id="the-first-name-among-equals"),
        pytest.param({}, {"priority": 1}, (1, 3), id="priority"),
        pytest.param({"guarantee": 2}, {"priority": 1}, (2, 2), id="a-guarantee-before-priority"),
        pytest.param({"worth": (9, 2, 1)}, {"worth": (8, 7, 0)}, (2, 2), id="by-what-it-avoids"),
        pytest.param({"worth": (9, 9, 9), "gpus": 2}, {"worth": (5, 5, 5)}, (0, 3), id="per-gpu"),
        pytest.param({"deferrable": True, "priority": 9}, {}, (1, 3), id="what-can-wait-waits"),
        pytest.param({"deferrable": True, "kept": 2}, {}, (2, 2), id="but-keeps-what-it-must"),
        pytest.param({"last": 2}, {}, (1, 3), id="what-does-not-start-comes-last"),
        pytest.param({"last": 2, "guarantee": 3}, {}, (1, 3), id="guaranteed-or-not"),
    ],
)
def test_of_four_gpus_two_pools_are_given(
    a: dict[str, Any], b: dict[str, Any], granted: tuple[int, int]
) -> None:
    given_both = replicas([claim("a", **a), claim("b", **b)], [CHEAP])
    assert (given_both["a"], given_both["b"]) == granted


@pytest.mark.parametrize(
    ("asked", "on"),
    [
        pytest.param({"stocks": (CHEAP, DEAR)}, {CHEAP: 4, DEAR: 2}, id="the-first-while-it-lasts"),
        pytest.param({"stocks": (SPOT, CHEAP)}, {SPOT: 6}, id="spot-without-a-floor"),
        pytest.param(
            {"stocks": (SPOT, CHEAP), "on_demand_ratio": 0.5}, {CHEAP: 3, SPOT: 3}, id="half-of-it"
        ),
        pytest.param({"stocks": (SPOT,), "on_demand_ratio": 0.5}, {}, id="none-without-the-floor"),
    ],
)
def test_six_replicas_are_placed(asked: dict[str, Any], on: dict[Stock, int]) -> None:
    grants = allocate([claim(replicas=6, **asked)], [CHEAP, DEAR, SPOT])
    assert grants["a"].on == on
