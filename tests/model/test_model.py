"""Rule 1 of the design: kill, freeze, move and delay whom you like, what comes out is the same."""

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings

from tests.model.broken import (
    AnyBatch,
    BlindToTransactions,
    Credulous,
    HastyToRestore,
    LateByTheClock,
    Newcomer,
    NotFenced,
    OffsetApart,
    StateKept,
)
from tests.model.found import BrokenRuleError
from tests.model.happens import (
    Abreast,
    Again,
    Behind,
    Crash,
    Everybody,
    Fail,
    Freeze,
    Run,
    Wake,
)
from tests.model.owner import LogOwner
from tests.model.schedule import Step, schedules
from tests.model.sent import Added, Changed, Held, Released, Traffic
from tests.model.verdict import judge
from tests.model.world import PROCESSES, STAGES

pytestmark = pytest.mark.no_cover  # as the scenarios

BOUNDED = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(BOUNDED, max_examples=6)
@given(schedules(longest=8))
def test_what_comes_out_is_the_same_whatever_happens(steps: list[Step]) -> None:
    judge(steps)


@pytest.mark.slow
@settings(BOUNDED, max_examples=60)
@given(schedules(longest=15))
def test_it_is_the_same_whatever_happens_for_long(steps: list[Step]) -> None:
    judge(steps)


def interrupted(stage: str, turns: int, fault: Step) -> list[Step]:
    """A process with work to do has so many turns, then something happens to it."""
    before = STAGES[: STAGES.index(stage)]
    ahead = [Run(one, number, 20) for one in before for number in range(PROCESSES)]
    return [
        Traffic(6, rounds=0, dead=1),
        *ahead,
        Run(stage, 0, turns),
        fault,
        Everybody(16),
        Wake(stage, 0, turns=6),
    ]


def every_fault_at_every_turn() -> Iterator[tuple[str, int, Step]]:
    for stage in ("ingest", "watch", "respond"):
        for turns in range(1, 9):
            yield stage, turns, Crash(stage, 0, moves=False)
            yield stage, turns, Crash(stage, 0, moves=True)
            yield stage, turns, Freeze(stage, 0, long=True)
            yield stage, turns, Fail(stage, 0, "unsent")
            yield stage, turns, Fail(stage, 0, "unanswered")
            yield stage, turns, Again(stage, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "turns", "fault"), [*every_fault_at_every_turn()])
def test_it_is_the_same_whatever_happens_at_any_turn(stage: str, turns: int, fault: Step) -> None:
    judge(interrupted(stage, turns, fault))


STALE_MARKS: Final = [
    Traffic(2, rounds=0),
    Run("ingest", 0, 2, only=2),  # The transaction of engine/0 stays open ...
    Run("ingest", 0, 6, only=0),  # ... and that of requests/0 is committed behind it.
    Traffic(1, rounds=0),
    Fail("ingest", 0, "unanswered"),
    Run("ingest", 0, 30, only=0),
    Everybody(20),
]
BEHIND: Final = {
    stage: [
        Traffic(6, rounds=30),
        Everybody(20),
        Behind(stage),
        fault,
        Traffic(2, rounds=6),
        Everybody(20),
        Abreast(),
        Everybody(20),
    ]
    for stage, fault in (
        ("watch", Fail("watch", 0, "unsent")),
        ("ingest", Crash("ingest", 0, moves=True)),
    )
}
TAKEN_OVER: Final = {
    f"{stage}-{'before' if knows else 'nothing'}": [
        Behind(stage, knows=knows),
        Traffic(6, rounds=30, dead=1),
        Everybody(20),
        Crash(stage, 0, moves=True),
        Traffic(2, rounds=6),
        Everybody(20),
        Abreast(),
        Everybody(20),
    ]
    for stage in STAGES
    for knows in (True, False)
}
"""Somebody who has committed nothing himself is told an old offset, or none."""
LONG_TRANSACTION: Final = [Held(0), Traffic(5, rounds=30, silent=True), Released()]


@pytest.mark.parametrize(
    ("owner", "steps"),
    [
        pytest.param(OffsetApart, interrupted("ingest", 1, Fail("ingest", 0, "unanswered"))),
        pytest.param(OffsetApart, interrupted("watch", 3, Crash("watch", 0, moves=False))),
        pytest.param(Credulous, BEHIND["watch"]),
        pytest.param(Newcomer, TAKEN_OVER["watch-before"]),
        pytest.param(Newcomer, TAKEN_OVER["watch-nothing"]),
        pytest.param(AnyBatch, interrupted("ingest", 1, Again("ingest", 0))),
        pytest.param(StateKept, interrupted("ingest", 1, Fail("ingest", 0, "unsent"))),
        pytest.param(NotFenced, interrupted("ingest", 1, Freeze("ingest", 0, long=True))),
        pytest.param(LateByTheClock, [Traffic(5, rounds=0)]),
        pytest.param(HastyToRestore, STALE_MARKS),
        pytest.param(BlindToTransactions, LONG_TRANSACTION),
    ],
)
def test_a_broken_rule_shows(owner: type[LogOwner], steps: list[Step]) -> None:
    with pytest.raises(BrokenRuleError):
        judge(steps, owner)


def grown(*, announced: bool) -> list[Step]:
    """A partition is added and INGEST takes its time to see it, everybody else goes on."""
    others: list[Step] = [Run("ingest", 0, 20), *[Run("ingest", 1, 20, only=n) for n in range(5)]]
    second: list[Step] = [Traffic(1, rounds=0), *others, Run("watch", 0, 20), Run("watch", 1, 20)]
    return [Traffic(2, rounds=30), Added(announced=announced), *second * 6]


def test_a_partition_that_was_announced_loses_nothing() -> None:
    judge(grown(announced=True))


def test_one_that_was_not_comes_too_late() -> None:
    with pytest.raises(BrokenRuleError, match="missed_rows=1"):
        judge(grown(announced=False))


BELIEVED: Final = BEHIND | TAKEN_OVER


@pytest.mark.parametrize("steps", BELIEVED.values(), ids=BELIEVED)
def test_a_coordinator_that_is_behind_is_not_believed(steps: list[Step]) -> None:
    judge(steps)


@pytest.mark.parametrize("steps", [STALE_MARKS, LONG_TRANSACTION], ids=["marks", "transaction"])
def test_transactions_of_others_hide_nothing(steps: list[Step]) -> None:
    judge(steps)


FOUND: Final[dict[str, list[Step]]] = {
    "changes-read-ahead-of-windows-that-stall": [
        Freeze("ingest", 1, long=False),
        Changed("replica_started", 4),
        Traffic(4, rounds=30, dead=1),
        Changed("replica_ready", 4),
        Traffic(1, rounds=30),
        Changed("replica_started", 4),
        Traffic(2, rounds=30),
        Wake("ingest", 1, turns=0),
    ],
    "a-change-told-late-while-incidents-catch-up": [
        Freeze("respond", 0, long=False),
        Traffic(3, rounds=30),
        Changed("replica_lost", 4, offset_s=-8.0),
        Traffic(4, rounds=30),
        Wake("respond", 0, turns=0),
    ],
    "windows-read-before-changes": [
        Run("respond", 0, turns=0, most=1),
        *[Changed("other", 2) for _ in range(200)],
        Changed("replica_lost", 4),
        Traffic(8, rounds=30, dead=1),
    ],
}
"""Each once came out different from an undisturbed run."""


@pytest.mark.slow
@pytest.mark.parametrize("steps", FOUND.values(), ids=FOUND)
def test_what_was_found_stays_mended(steps: list[Step]) -> None:
    judge(steps)
