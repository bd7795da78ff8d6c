from typing import Any

import pytest

from autoscaler.rules import MAX_RULES, RuleBook, refusal
from autoscaler.schedules.rules import Bounds
from autoscaler.situation import Order
from streams.errors import InvalidParameterError
from streams.schemas.incidents import Audit, Command, Rule
from tests.autoscaler.world import at

POOL = ("local", "codex")
POOLS = {POOL: Bounds(low=1, high=4, standing=2)}


def command(kind: str, number: int = 1, **but: Any) -> Command:
    usual: dict[str, Any] = {
        "id": f"c{number}",
        "at_us": at(number),
        "kind": kind,
        "actor": "ann",
        "pool": "codex",
    }
    return Command(**(usual | but))


def book(*commands: Command) -> RuleBook:
    rules = RuleBook()
    for one in commands:
        rules.carry_out(one, POOLS)
    return rules


OVERRIDE = command("override", replicas=3, reason="launch", expires_at_us=at(100))


@pytest.mark.parametrize(
    ("commands", "order"),
    [
        pytest.param([], None, id="nobody-said-anything"),
        pytest.param(
            [OVERRIDE],
            Order(kind="override", replicas=3, actor="ann", reason="launch"),
            id="override",
        ),
        pytest.param(
            [command("hold")], Order(kind="hold", replicas=2, actor="ann"), id="hold-keeps-the-size"
        ),
        pytest.param(
            [OVERRIDE, command("hold", 2)],
            Order(kind="hold", replicas=2, actor="ann"),
            id="the-newer-order-counts",
        ),
        pytest.param(
            [command("hold", 2), OVERRIDE],
            Order(kind="hold", replicas=2, actor="ann"),
            id="also-if-the-older-comes-late",
        ),
        pytest.param([OVERRIDE, command("release", 2)], None, id="released"),
        pytest.param([command("release")], None, id="nothing-to-release"),
        pytest.param(
            [OVERRIDE, command("release", 2), OVERRIDE], None, id="a-repeated-command-is-no-news"
        ),
    ],
)
def test_the_order_in_force(commands: list[Command], order: Order | None) -> None:
    assert book(*commands).order(POOL) == order


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        pytest.param(command("hold", pool="x"), "pool must be one of: local/codex", id="pool"),
        pytest.param(command("override", replicas=5), "replicas must be 1 to 4", id="too-many"),
        pytest.param(command("override"), "replicas must be 1 to 4", id="none-given"),
        pytest.param(
            command("limits", min_replicas=3, max_replicas=2), "limits must be within", id="order"
        ),
        pytest.param(command("limits", max_replicas=9), "limits must be within", id="beyond"),
        pytest.param(command("ladder"), "ladder must be given", id="no-rung"),
        pytest.param(command("silence"), "silence must be one with matchers", id="empty-silence"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(asked: Command, why: str) -> None:
    with pytest.raises(InvalidParameterError, match=why):
        book(asked)


def test_a_refusal_is_audited() -> None:
    out = refusal(OVERRIDE, InvalidParameterError("replicas", 9, "1 to 4"), at(2))

    assert isinstance(out.value, Audit)
    assert (out.topic, out.value.status, out.value.actor) == ("audit", 422, "ann")


def test_an_order_ends_when_it_expires() -> None:
    rules = book(OVERRIDE)

    assert rules.expire(at(99)) == []
    assert [rule.ended for rule in rules.expire(at(100))] == [True]
    assert rules.order(POOL) is None


@pytest.mark.parametrize(
    ("asked", "bounds"),
    [
        pytest.param([], (1, 4), id="those-of-the-settings"),
        pytest.param([command("limits", min_replicas=2, max_replicas=3)], (2, 3), id="both"),
        pytest.param([command("limits", max_replicas=3)], (1, 3), id="one-side"),
    ],
)
def test_limits_narrow_the_bounds(asked: list[Command], bounds: tuple[int, int]) -> None:
    assert book(*asked).limits(POOL, 1, 4) == bounds


def test_limits_never_reach_beyond_settings_that_became_narrower() -> None:
    assert book(command("limits", min_replicas=3, max_replicas=4)).limits(POOL, 1, 2) == (2, 2)


def test_a_pool_climbs_the_ladder_by_a_persons_word() -> None:
    rules = book(command("ladder", ladder="floor"))

    assert rules.ladder(POOL, "shadow") == "floor"
    assert rules.ladder(("local", "sora"), "shadow") == "shadow"


def test_a_silence_becomes_a_rule_for_those_who_alert() -> None:
    asked = command("silence", matchers={"pool": "codex"}, expires_at_us=at(60))

    assert [rule.kind for rule in RuleBook().carry_out(asked, {})] == ["silence"]


def test_resolving_is_left_to_those_who_hold_incidents() -> None:
    assert RuleBook().carry_out(command("resolve", incident="INC-1"), {}) == ()


def test_rules_outlive_a_restart() -> None:
    before = RuleBook()
    state = before.state(before.carry_out(OVERRIDE, POOLS))
    after = RuleBook()
    after.restore({key: value for key, value in state.items() if value is not None})

    assert after.order(POOL) == before.order(POOL)
    assert after.carry_out(OVERRIDE, POOLS) == ()


def test_an_ended_rule_is_forgotten_by_the_state() -> None:
    rules = book(OVERRIDE)
    ended: list[Rule] = [*rules.carry_out(command("release", 2), POOLS)]

    assert rules.state(ended)["rule/order:local/codex"] is None


def test_there_are_never_more_rules_than_fit() -> None:
    rules = book(
        *(
            command("silence", number, matchers={"a": "b"}, expires_at_us=at(9_999))
            for number in range(MAX_RULES)
        )
    )
    with pytest.raises(InvalidParameterError, match="fewer than 1000"):
        rules.carry_out(command("hold", 5_000), POOLS)
