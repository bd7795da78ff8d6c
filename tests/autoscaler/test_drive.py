"""What DRIVE does to a pool, step by step; the driver is a list of replicas."""

from typing import Any

import pytest

from autoscaler.drive import DECISION_AGE_S, Drive, Step
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US
from streams.schemas.scaling import Decision, Drain, PoolStatus, ReplicaState, ReplicaStatus
from streams.schemas.telemetry import Change

NOON = 1_800_000_000 * SECOND_US
POOL = PoolSettings(
    name="codex",
    service="codex",
    model="tiny",
    driver="process",
    initial_replicas=1,
    max_replicas=3,
    slots=4,
    cap_tokens_per_s=12,
    start_delay_s=8,
)


def at(second: float) -> int:
    return NOON + round(second * SECOND_US)


def replica(number: int, state: ReplicaState = "ready", since_s: float = 0, **but: Any) -> Any:
    usual: dict[str, Any] = {
        "pool": "codex",
        "replica": f"codex-{number}",
        "state": state,
        "since_us": at(since_s),
        "at_us": at(since_s),
        "ordered_at_us": at(0),
    }
    return ReplicaStatus(**(usual | but))


def decision(desired: int, second: float = 0, **but: Any) -> Decision:
    usual: dict[str, Any] = {
        "id": f"codex@{at(second)}",
        "at_us": at(second),
        "cluster": "local",
        "pool": "codex",
        "current": 1,
        "desired": desired,
        "proposed": desired,
        "reason": "20 in flight at 4 per replica",
        "ladder": "full",
    }
    return Decision(**(usual | but))


def drain(in_flight: int, second: float, gateway: str = "gw-1") -> Drain:
    return Drain(
        at_us=at(second),
        cluster="local",
        pool="codex",
        replica="codex-2",
        gateway=gateway,
        in_flight=in_flight,
    )


def changes(step: Step) -> list[Change]:
    return [out.value for out in step.out if isinstance(out.value, Change)]


def summaries(step: Step) -> list[str]:
    return [change.summary for change in changes(step)]


def pool_status(step: Step) -> PoolStatus:
    return next(out.value for out in step.out if isinstance(out.value, PoolStatus))


def test_the_initial_replicas_are_ordered_without_a_decision() -> None:
    assert Drive(POOL, dry_run=True).step([], at(0)).size == 1


@pytest.mark.parametrize(
    ("dry_run", "given", "size"),
    [
        pytest.param(False, decision(3), 3, id="a-decision-is-carried-out"),
        pytest.param(False, decision(9), 3, id="but-not-beyond-the-most-replicas"),
        pytest.param(False, decision(0), None, id="nor-below-the-fewest"),
        pytest.param(False, decision(3, -DECISION_AGE_S - 1), None, id="an-old-one-is-not"),
        pytest.param(False, decision(3, ladder="shadow"), None, id="shadow-does-nothing"),
        pytest.param(False, decision(3, ladder="recommend"), None, id="recommend-does-nothing"),
        pytest.param(False, decision(3, ladder="floor"), 3, id="floor-raises"),
        pytest.param(
            False,
            decision(3, ladder="shadow", guards=("ladder", "override")),
            3,
            id="a-persons-word-stands-above-the-ladder",
        ),
        pytest.param(False, decision(3, dry_run=True), None, id="a-dry-one-is-not-carried-out"),
        pytest.param(True, decision(3), None, id="nothing-is-while-we-are-dry"),
    ],
)
def test_what_becomes_of_a_decision(dry_run: bool, given: Decision, size: int | None) -> None:
    drive = Drive(POOL, dry_run=dry_run)
    drive.decided(given)

    assert drive.step([replica(1)], at(0)).size == size


def test_floor_never_lowers() -> None:
    drive = Drive(POOL, dry_run=False, size=3)
    drive.decided(decision(1, ladder="floor"))

    assert drive.step([replica(1), replica(2), replica(3)], at(0)).size is None


def test_the_newest_decision_counts_in_whatever_order_they_come() -> None:
    drive = Drive(POOL, dry_run=False)
    drive.decided(decision(3, 2))
    drive.decided(decision(2, 1))

    assert drive.step([replica(1)], at(2)).size == 3


def test_a_size_stays_when_decisions_stop_coming() -> None:
    drive = Drive(POOL, dry_run=False)
    drive.decided(decision(2, 0))
    drive.step([replica(1)], at(1))

    assert drive.step([replica(1)], at(500)).size == 2


def test_a_scaling_says_from_what_to_what_and_why() -> None:
    drive = Drive(POOL, dry_run=False)
    drive.decided(decision(2))
    step = drive.step([replica(1)], at(0))

    assert summaries(step)[0] == "codex: 1 → 2 replicas (20 in flight at 4 per replica)"


def test_a_lost_replica_is_told_at_once_and_replaced_at_once() -> None:
    drive = Drive(POOL, dry_run=False)
    drive.step([replica(1)], at(100))
    step = drive.step([replica(1, "failed", 101, reason="ended with signal 9")], at(101))

    assert (step.size, changes(step)[0].kind) == (1, "replica_lost")
    assert summaries(step) == ["codex-1 ended with signal 9"]


def test_a_change_keeps_its_identity_when_it_is_said_again() -> None:
    def lost() -> Change:
        return changes(
            Drive(POOL, dry_run=False).step([replica(1, "failed", 3, reason="ended")], at(4))
        )[0]

    assert lost() == lost()


def test_a_start_is_told_with_how_long_it_took() -> None:
    drive = Drive(POOL, dry_run=False)
    started = drive.step([replica(1, "starting")], at(0))
    ready = drive.step([replica(1, "ready", 9.5)], at(9.5))

    assert summaries(started) == ["codex-1 was started, ready in about 8 s"]
    assert summaries(ready) == ["codex-1 is ready, 9.5 s after it was ordered"]


def test_the_lead_time_is_declared_first_and_learned_then() -> None:
    drive = Drive(POOL, dry_run=False)
    declared = drive.step([replica(1, "starting")], at(0))
    learned = drive.step([replica(1, "ready", 10)], at(10))

    assert (pool_status(declared).start_delay_s, pool_status(learned).start_delay_s) == (8, 10)


def test_a_replica_is_expected_when_its_lead_time_has_passed() -> None:
    step = Drive(POOL, dry_run=False).step([replica(1, "starting")], at(1))
    said = next(out.value for out in step.out if isinstance(out.value, ReplicaStatus))

    assert said.expected_ready_at_us == at(8)


def draining() -> Drive:
    drive = Drive(POOL, dry_run=False)
    drive.step([replica(1), replica(2, "draining", 10)], at(10))
    return drive


def stops(drive: Drive, second: float) -> tuple[str, ...]:
    return drive.step([replica(1), replica(2, "draining", 10)], at(second)).stop


def test_a_draining_replica_goes_on_while_it_has_work() -> None:
    drive = draining()
    drive.drained(drain(2, 11))

    assert stops(drive, 12) == ()


def test_it_is_stopped_once_every_gateway_has_nothing_left_there() -> None:
    drive = draining()
    drive.drained(drain(0, 11))
    drive.drained(drain(1, 11, "gw-2"))
    before = stops(drive, 12)
    drive.drained(drain(0, 12.5, "gw-2"))

    assert (before, stops(drive, 13)) == ((), ("codex-2",))


def test_it_waits_for_a_word_of_a_gateway() -> None:
    assert stops(draining(), 30) == ()


def test_a_word_from_before_the_drain_does_not_count() -> None:
    drive = draining()
    drive.drained(drain(0, 9))

    assert stops(drive, 12) == ()


def test_a_drain_ends_in_any_case_after_its_time() -> None:
    drive = draining()
    drive.drained(drain(3, 11))

    assert stops(drive, 11 + POOL.drain_timeout_s) == ("codex-2",)


def test_starts_that_do_not_last_are_held_back_and_it_is_said_once() -> None:
    drive = Drive(POOL, dry_run=False)
    failed = [replica(n, "failed", n, reason="ended with exit code 2") for n in (1, 2)]
    steps = [
        drive.step(failed[:1], at(1)),
        drive.step(failed, at(2)),
        drive.step(failed, at(3)),
        drive.step(failed, at(4)),
    ]

    assert [step.size for step in steps] == [1, None, None, 1]
    assert [text for step in steps for text in summaries(step) if "0 of 1" in text] == [
        "codex: 0 of 1 replicas, waiting 2 s because 2 starts in a row did not last"
    ]


def test_five_losses_in_two_minutes_stop_all_starting_until_they_are_old() -> None:
    drive = Drive(POOL, dry_run=False)
    for number in range(5):
        step = drive.step([replica(number, "failed", number, reason="ended")], at(number))

    assert step.size is None
    assert drive.step([], at(119)).size is None
    assert drive.step([], at(121)).size == 1


def test_a_pool_and_its_replicas_are_told_every_two_seconds_and_else_when_they_change() -> None:
    drive = Drive(POOL, dry_run=False)
    said = [len(drive.step([replica(1)], at(second)).out) for second in (0, 0.5, 1, 1.5, 2, 2.5)]

    assert said == [3, 0, 0, 0, 2, 0]


def test_the_pool_says_its_cap_and_its_counts() -> None:
    drive = Drive(POOL, dry_run=False)
    status = pool_status(drive.step([replica(1), replica(2, "starting")], at(0)))

    assert (status.cap, status.ready, status.starting, status.slots_per_replica) == (
        "demo cap 12 tokens/s",
        1,
        1,
        4,
    )


def test_a_forgotten_replica_gets_a_tombstone() -> None:
    drive = Drive(POOL, dry_run=False)
    drive.step([replica(1), replica(2, "stopped")], at(0))
    step = drive.step([replica(1)], at(1))

    assert [(out.key, out.value) for out in step.out] == [("local/codex/codex-2", None)]
