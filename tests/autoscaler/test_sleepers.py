"""A pool that puts to sleep whom it does not need, as DRIVE has it; the driver is a list."""

from typing import Any

from autoscaler.drive import Drive, Step
from streams.schemas.scaling import ReplicaStatus
from tests.autoscaler.test_drive import POOL, at, drain, pool_status, replica, summaries

NAPS = POOL.model_copy(update={"max_asleep": 1})
WAKE: dict[str, Any] = {"phases_s": {"wake": 2.0}, "ordered_at_us": at(100)}


def emptied(drive: Drive, *others: ReplicaStatus) -> Step:
    """Replica 2 has drained."""
    drive.step([replica(1), replica(2), *others], at(0))
    leaving = [replica(1), replica(2, "draining", 5), *others]
    drive.step(leaving, at(5))
    drive.drained(drain(0, 6))
    return drive.step(leaving, at(7))


def test_who_has_drained_is_put_to_sleep() -> None:
    step = emptied(Drive(NAPS, dry_run=False))

    assert (step.sleep, step.stop) == (("codex-2",), ())


def test_but_no_more_than_may_sleep() -> None:
    step = emptied(Drive(NAPS, dry_run=False), replica(3, "asleep"))

    assert (step.sleep, step.stop) == ((), ("codex-2",))


def test_who_does_not_come_to_an_end_is_stopped_and_does_not_sleep() -> None:
    drive = Drive(NAPS, dry_run=False)
    leaving = [replica(1), replica(2, "draining", 5)]
    drive.step(leaving, at(5))
    step = drive.step(leaving, at(5 + POOL.drain_timeout_s + 1))

    assert (step.sleep, step.stop) == ((), ("codex-2",))


def test_an_engine_that_cannot_sleep_is_stopped_and_it_is_said() -> None:
    drive = Drive(NAPS, dry_run=False)
    emptied(drive)
    drive.cannot_sleep("codex-2", "it answered 404")
    step = drive.step([replica(1), replica(2, "draining", 5)], at(8))

    assert (step.sleep, step.stop) == ((), ("codex-2",))
    assert pool_status(step).max_asleep == 0
    assert "codex-2 cannot sleep (it answered 404): none is put to sleep any more" in summaries(
        step
    )


def test_the_pool_says_who_sleeps_and_does_not_count_them() -> None:
    step = Drive(NAPS, dry_run=False).step([replica(1), replica(2, "asleep")], at(0))

    assert step.size is None
    assert (pool_status(step).asleep, pool_status(step).max_asleep) == (1, 1)


def story(drive: Drive, *states: dict[str, Any]) -> list[str]:
    said = []
    for second, but in enumerate(states):
        found = replica(1, since_s=second, **but)
        said += summaries(drive.step([found], at(second)))
    return said


def test_sleeping_and_waking_are_told_each_time() -> None:
    turn: list[dict[str, Any]] = [{"state": "asleep"}, {"state": "starting", **WAKE}, {**WAKE}]
    said = story(Drive(NAPS, dry_run=False), {"state": "starting"}, {}, *turn, *turn)

    assert said.count("codex-1 was put to sleep") == 2
    assert said.count("codex-1 is woken") == 2


def test_a_wake_is_no_start_to_learn_from() -> None:
    drive = Drive(NAPS, dry_run=False)
    drive.step([replica(1, since_s=20)], at(20))
    drive.step([replica(1, "asleep", 60)], at(60))
    step = drive.step([replica(1, since_s=101, **WAKE)], at(101))

    assert pool_status(step).start_delay_s == 20
