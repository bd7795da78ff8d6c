"""Pools that share GPUs, decided for together; each case says only what differs."""

from typing import Any

import pytest

from autoscaler.allocation.market import Market
from autoscaler.allocation.settings import ClaimSettings, StockSettings
from autoscaler.decide import decide, decide_again
from autoscaler.settings import ScalingSettings
from autoscaler.situation import Block, Order, Situation
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US
from streams.codec import encode_record
from streams.errors import InvalidParameterError
from streams.schemas.scaling import Decision
from tests.autoscaler.test_decide import NOON, situation

H100 = StockSettings(name="h100", hardware="h100", gpus=6)
SPOT = StockSettings(name="spot", hardware="h100", gpus=6, market="spot", loss_per_hour=0.5,
                     price_per_gpu_hour=0.5)  # fmt: skip
FIRST = ClaimSettings(pool="codex", priority=1)


def pool(name: str, **but: Any) -> PoolSettings:
    usual = {"service": name, "model": "m", "hardware": "h100", "max_replicas": 9}
    return PoolSettings(name=name, **(usual | but))


POOLS = (pool("codex"), pool("sora"))


def market(*stocks: StockSettings, claims: tuple[ClaimSettings, ...] = (FIRST,)) -> Market:
    return Market(ScalingSettings(stocks=stocks, claims=claims), POOLS, "local")


def wants(replicas: int, name: str = "codex", **but: Any) -> Situation:
    """A pool of two replicas of four slots that calls for so many."""
    upper, since = 4.0 * replicas, {"highest_recent": replicas}
    return situation(
        **({"pool": name, "upper": upper, "demand": upper / 2, "high": 9} | since | but)
    )


def decided(*situations: Situation, market: Market) -> dict[str, Decision]:
    return {decision.pool: decision for decision in market.decide(situations)}


def sizes(*situations: Situation, market: Market) -> tuple[int, ...]:
    return tuple(decision.desired for decision in market.decide(situations))


def test_without_stocks_decisions_are_the_same_to_the_byte() -> None:
    both = (wants(5), wants(4, "sora"))
    alone = Market(ScalingSettings(), POOLS, "local").decide(both)
    assert [encode_record(one) for one in alone] == [encode_record(decide(one)) for one in both]


def test_so_they_are_where_everybody_has_what_he_asks_for() -> None:
    both = (wants(3), wants(3, "sora"))
    assert market(H100).decide(both) == [decide(one) for one in both]


@pytest.mark.parametrize(
    ("codex", "sora", "granted"),
    [
        pytest.param({}, {}, (4, 2), id="the-higher-priority-first"),
        pytest.param({}, {"standing": 4}, (4, 2), id="also-from-what-others-have"),
        pytest.param(
            {}, {"standing": 4, "blocks": (Block(incident="I", open_s=1),)}, (2, 4),
            id="but-not-while-users-are-hurt",
        ),
        pytest.param({}, {"standing": 4, "stalled": True}, (2, 4), id="nor-on-doubt"),
        pytest.param({}, {"low": 3}, (3, 3), id="nor-below-the-least"),
        pytest.param({}, {"ladder": "floor", "standing": 3}, (3, 3), id="nor-where-only-up-goes"),
        pytest.param({}, {"ladder": "shadow", "standing": 5}, (1, 5), id="nor-in-shadow"),
        pytest.param(
            {}, {"order": Order(kind="hold", replicas=5, actor="ann")}, (1, 5), id="nor-by-hand"
        ),
    ],
)  # fmt: skip
def test_two_pools_want_four_of_six_gpus_each(
    codex: dict[str, Any], sora: dict[str, Any], granted: tuple[int, int]
) -> None:
    assert sizes(wants(4, **codex), wants(4, "sora", **sora), market=market(H100)) == granted


def test_a_pool_in_which_work_can_wait_gives_way() -> None:
    jobs = (pool("codex"), pool("sora", role="job"))
    first = (ClaimSettings(pool="sora", priority=9),)
    shared = Market(ScalingSettings(stocks=(H100,), claims=first), jobs, "local")
    assert sizes(wants(4), wants(4, "sora", standing=4), market=shared) == (4, 2)


def test_the_sentence_says_who_was_served_and_how_many_are_missing() -> None:
    sora = decided(wants(4), wants(4, "sora"), market=market(H100))["sora"]
    assert sora.reason.endswith(
        "; 2: 4 of 1 GPU each are asked for at priority 0, and other pools have 4 of the 6 GPUs of "
        "h100"
    )
    assert (sora.guards, sora.unattainable) == (("allocated",), "4 asked for, 2 granted")


def test_what_was_allocated_is_decided_again_from_its_record() -> None:
    for decision in market(H100).decide([wants(4), wants(4, "sora")]):
        assert decide_again(decision).desired == decision.desired


def test_where_nobody_acts_yet_it_is_said_what_would_be() -> None:
    still: dict[str, Any] = {"ladder": "shadow", "standing": 2}
    found = decided(wants(4, **still), wants(4, "sora", **still), market=market(H100))
    assert [(d.desired, d.wanted) for d in found.values()] == [(2, 4), (2, 2)]


def test_replicas_that_do_not_come_leave_their_gpus_to_others_for_a_while() -> None:
    shared = market(H100)
    stuck: dict[str, Any] = {"standing": 4, "ready": 2, "starting": 2, "overdue": 2}
    assert sizes(wants(4, **stuck), wants(4, "sora"), market=shared) == (2, 4)

    later: dict[str, Any] = {"standing": 2, "ready": 2}
    soon, after = NOON + 60 * SECOND_US, NOON + 301 * SECOND_US
    assert sizes(wants(4, now_us=soon, **later), wants(4, "sora"), market=shared) == (2, 4)
    assert sizes(wants(4, now_us=after, **later), wants(4, "sora"), market=shared) == (4, 2)


def test_but_they_go_on_starting_where_nobody_else_asks() -> None:
    stuck: dict[str, Any] = {"standing": 4, "ready": 2, "starting": 2, "overdue": 2}
    assert sizes(wants(4, **stuck), wants(2, "sora"), market=market(H100)) == (4, 2)


def test_spot_gpus_are_paid_for_with_spares_that_call_for_no_more() -> None:
    shared = market(H100, SPOT)
    long: dict[str, Any] = {"horizon_s": 300.0}
    first = decided(wants(6, **long), wants(0, "sora"), market=shared)["codex"]
    assert (first.desired, first.guards) == (8, ("allocated",))
    assert "8: 4 of them are on spot GPUs" in first.reason

    held: dict[str, Any] = {"standing": first.desired, "highest_recent": first.desired}
    again = decided(wants(6, **long, **held), wants(0, "sora"), market=shared)["codex"]
    assert again.desired == first.desired


def test_pools_on_other_hardware_share_nothing() -> None:
    apart = Market(
        ScalingSettings(stocks=(H100,)), (pool("codex"), pool("sora", hardware="cpu")), "local"
    )
    assert sizes(wants(6), wants(9, "sora"), market=apart) == (6, 9)


def test_each_cluster_knows_only_its_own_pools() -> None:
    far = (pool("codex"), pool("sora", cluster="far"))
    scaling = ScalingSettings(stocks=(H100,), claims=(FIRST, ClaimSettings(pool="sora")))
    assert sizes(wants(6), market=Market(scaling, far, "local")) == (6,)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"stocks": (H100, H100)}, "named once each, got ['h100']", id="stock-twice"),
        pytest.param(
            {"stocks": (H100,), "claims": (ClaimSettings(pool="cdx"),)},
            "names of backend.pools, got ['cdx']",
            id="unknown-pool",
        ),
        pytest.param(
            {"stocks": (H100,), "claims": (ClaimSettings(pool="codex", hardware={"h1": 1}),)},
            "hardware of scaling.stocks, got ['h1']",
            id="unknown-hardware",
        ),
        pytest.param(
            {
                "stocks": (H100,),
                "claims": (ClaimSettings(pool="codex", gpus_per_replica=4, guaranteed_replicas=2),),
            },
            "together within the GPUs of the stocks, got {'codex': 2}",
            id="guarantees-that-do-not-fit",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidParameterError) as error:
        Market(ScalingSettings(**settings), POOLS, "local")
    assert said in str(error.value)
