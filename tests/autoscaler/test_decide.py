"""The plan and every guard, from one usual situation; each case says only what differs."""

from typing import Any

import pytest

from autoscaler.decide import decide, decide_again, repeats
from autoscaler.situation import Block, Order, Situation
from streams.codec import encode_record
from streams.schemas.scaling import Forecast, Quantile

NOON = 1_800_000_000_000_000


def situation(**but: Any) -> Situation:
    """Two replicas of four slots; what is forecast fits exactly; watched for an hour."""
    usual: dict[str, Any] = {
        "pool": "codex",
        "now_us": NOON,
        "standing": 2,
        "ready": 2,
        "low": 1,
        "high": 4,
        "slots": 4,
        "demand": 4.0,
        "upper": 8.0,
        "in_flight": 4.0,
        "service_s": 14.0,
        "horizon_s": 12.0,
        "highest_recent": 1,
        "watched_s": 3_600.0,
        "ladder": "full",
    }
    return Situation(**(usual | but))


IDLE = {"demand": 1.0, "upper": 1.5, "in_flight": 1.0}
LIKELY = {"upper": 8.0, "kept": 11.0}
SURGE = {"demand": 9.0, "upper": 13.0}
HURT = (Block(incident="INC-7", open_s=60),)
EXPIRED = (Block(incident="INC-7", open_s=1_000),)


@pytest.mark.parametrize(
    ("given", "desired"),
    [
        pytest.param(situation(), 2, id="what-fits-changes-nothing"),
        pytest.param(situation(upper=8.01), 3, id="any-excess-of-the-quantile-adds-a-replica"),
        pytest.param(situation(upper=8.01, kept=16.0), 3, id="what-may-come-is-not-ordered"),
        pytest.param(situation(standing=4, **LIKELY), 3, id="but-what-stands-for-it-is-kept"),
        pytest.param(
            situation(standing=40, upper=20.0, kept=99.0, high=99), 7, id="within-a-bound"
        ),
        pytest.param(
            situation(standing=20, upper=88.0, high=99), 20, id="less-than-a-tenth-more-waits"
        ),
        pytest.param(situation(standing=20, upper=88.01, high=99), 23, id="a-tenth-is-added"),
        pytest.param(
            situation(standing=20, in_flight=90.0, high=99), 21, id="and-less-for-who-is-there"
        ),
        pytest.param(situation(queued=5.0), 3, id="so-does-a-backlog-that-does-not-fit"),
        pytest.param(situation(queued=4.5), 2, id="but-not-one-that-can-wait-within-the-slo"),
        pytest.param(situation(**IDLE), 1, id="idle-pool-shrinks"),
        pytest.param(situation(**IDLE, highest_recent=3), 2, id="but-not-right-after-a-burst"),
        pytest.param(situation(**IDLE, watched_s=20), 2, id="nor-when-watched-too-shortly"),
        pytest.param(situation(**IDLE, blocks=HURT), 2, id="nor-while-users-are-hurt"),
        pytest.param(situation(**SURGE, blocks=HURT), 4, id="an-incident-lets-it-grow"),
        pytest.param(situation(**IDLE, blocks=EXPIRED), 1, id="and-blocks-for-a-while-only"),
        pytest.param(situation(**IDLE, blocks=EXPIRED + HURT), 2, id="each-for-itself"),
        pytest.param(situation(**IDLE, data_age_s=6), 2, id="old-figures-take-nothing-away"),
        pytest.param(situation(**IDLE, stalled=True), 2, id="nor-does-a-stream-that-stalls"),
        pytest.param(situation(**SURGE, stalled=True), 4, id="but-they-let-it-grow"),
        pytest.param(situation(**SURGE, high=3), 3, id="never-above-the-bounds"),
        pytest.param(situation(**IDLE, low=2), 2, id="never-below-the-bounds"),
        pytest.param(situation(**SURGE, gpus_ordered=63), 3, id="never-above-the-gpu-budget"),
        pytest.param(
            situation(**SURGE, gpus_ordered=57, gpus_per_replica=8), 2, id="in-whole-replicas"
        ),
        pytest.param(situation(**SURGE, failed_starts=2), 2, id="no-growth-in-a-crash-loop"),
        pytest.param(situation(**SURGE, failed_starts=1), 4, id="one-failed-start-is-no-loop"),
        pytest.param(situation(**SURGE, fruitless="x"), 2, id="no-growth-that-brings-nothing"),
        pytest.param(
            situation(**SURGE, suspects=("eve",), suspect_demand=6.0), 2, id="no-growth-for-a-flood"
        ),
        pytest.param(
            situation(**SURGE, suspects=("eve",), suspect_demand=1.0), 3, id="but-for-the-others"
        ),
        pytest.param(situation(**SURGE, ladder="shadow"), 2, id="shadow-touches-nothing"),
        pytest.param(situation(**SURGE, ladder="recommend"), 2, id="nor-does-recommend"),
        pytest.param(situation(**SURGE, ladder="floor"), 4, id="floor-may-raise"),
        pytest.param(situation(**IDLE, ladder="floor"), 2, id="and-nothing-else"),
        pytest.param(situation(**SURGE, dry_run=True), 2, id="dry-run-touches-nothing"),
        pytest.param(situation(service_s=0.0, upper=99.0), 1, id="unknown-slots-call-for-nothing"),
        pytest.param(
            situation(service_s=0.0, in_flight=8.0, queued=3.0), 3, id="but-what-waits-does"
        ),
        pytest.param(
            situation(service_s=14.0, slo_queue_s=60.0, queued=20.0), 2, id="patience-is-room"
        ),
        pytest.param(
            situation(standing=40, highest_recent=37, high=99),
            40,
            id="few-of-many-are-not-worth-it",
        ),
        pytest.param(situation(standing=40, highest_recent=36, high=99), 36, id="a-tenth-is"),
    ],
)
def test_decide(given: Situation, desired: int) -> None:
    assert decide(given).desired == desired


@pytest.mark.parametrize(
    ("order", "but", "desired"),
    [
        pytest.param(Order(kind="override", replicas=4, actor="ann"), {}, 4, id="override"),
        pytest.param(Order(kind="hold", replicas=2, actor="ann"), SURGE, 2, id="hold-in-a-surge"),
        pytest.param(
            Order(kind="override", replicas=1, actor="ann"), {"blocks": HURT}, 1, id="over-a-freeze"
        ),
        pytest.param(
            Order(kind="override", replicas=3, actor="ann"), {"ladder": "shadow"}, 3, id="in-shadow"
        ),
        pytest.param(
            Order(kind="override", replicas=9, actor="ann"), {}, 4, id="but-within-the-bounds"
        ),
        pytest.param(
            Order(kind="override", replicas=4, actor="ann"),
            {"dry_run": True},
            2,
            id="not-in-dry-run",
        ),
    ],
)
def test_a_person_wins(order: Order, but: dict[str, Any], desired: int) -> None:
    decision = decide(situation(order=order, **but))

    assert decision.desired == desired
    assert "ann" in decision.reason
    assert order.kind in decision.guards


def test_the_reason_tells_the_whole_story() -> None:
    decision = decide(situation(**IDLE, blocks=HURT, highest_recent=2))

    assert decision.reason == (
        "p80 of the highest demand in the next 12 s is 1.5 slots at 4 per replica, to keep misses "
        "within 1 %: 1 replica; now 1 offered, 1 in flight and 0 queued; "
        "2: 2 was called for within the last 60 s"
    )


def test_a_block_that_expired_asks_a_person() -> None:
    decision = decide(situation(**IDLE, blocks=EXPIRED))

    assert "INC-7 is open for 1000 s and blocks no longer: a person should look" in decision.reason


def test_what_cannot_be_had_is_said() -> None:
    assert decide(situation(**SURGE, high=3)).unattainable == "4 called for, 3 allowed"


@pytest.mark.parametrize(
    ("pending_s", "said"),
    [
        pytest.param(23.0, "", id="in-time"),
        pytest.param(31.0, "a replica is starting for 31 s, 8 s are usual", id="overdue"),
    ],
)
def test_a_replica_that_does_not_come_is_said(pending_s: float, said: str) -> None:
    assert decide(situation(starting=1, pending_s=pending_s, lead_s=8.0)).unattainable == said


def test_a_shadow_says_what_it_would_have_done() -> None:
    decision = decide(situation(**SURGE, ladder="shadow"))

    assert (decision.desired, decision.wanted, decision.proposed) == (2, 4, 4)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(situation(), id="usual"),
        pytest.param(situation(**IDLE, blocks=EXPIRED + HURT), id="blocks"),
        pytest.param(
            situation(
                **IDLE, blocks=tuple(Block(incident=f"INC-{n}", open_s=n) for n in range(20))
            ),
            id="many-blocks",
        ),
        pytest.param(
            situation(**SURGE, suspects=("eve", "bob"), suspect_demand=1.5), id="suspects"
        ),
        pytest.param(
            situation(order=Order(kind="hold", replicas=3, actor="ann", reason="a launch")),
            id="a-persons-order",
        ),
        pytest.param(situation(**SURGE, fruitless="because", stalled=True), id="flags"),
        pytest.param(
            situation(
                forecast=Forecast(
                    feature="demand",
                    unit="slots",
                    horizon_s=12.0,
                    quantiles=(Quantile(q=0.5, value=4.0), Quantile(q=0.95, value=9.0)),
                    model="blend",
                ),
                upper=9.0,
            ),
            id="forecast",
        ),
    ],
)
def test_a_decision_repeats_from_its_recorded_inputs(given: Situation) -> None:
    assert repeats(encode_record(decide(given)))


def test_a_decision_of_another_version_does_not_repeat() -> None:
    decision = decide(situation())

    assert not repeats(encode_record(decision.but(inputs={})))
    assert not repeats(encode_record(decision.but(reason="because")))
    assert not repeats(b"{")


def test_one_recorded_without_names_repeats_in_its_numbers() -> None:
    decision = decide(situation(**SURGE, fruitless="because", blocks=HURT)).but(names={})

    assert decide_again(decision).guards == decision.guards
