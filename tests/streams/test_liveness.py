from typing import Any

import pytest

from streams.liveness import Judge, Standstill
from streams.vitals import Vital

STUCK_S = 30


def judged(judge: Judge, seconds: range, *, turns: bool = True, **vital: Any) -> str:
    """The state after a look each second; the loop turns, the partition is as given."""
    verdict = judge.verdict(seconds.start, seconds.start, {})
    for now_s in seconds:
        seen = {"stirs": 1, "looks": now_s, "behind": True} | vital
        seen = {name: value(now_s) if callable(value) else value for name, value in seen.items()}
        part = Vital(**seen)
        verdict = judge.verdict(now_s, now_s if turns else 1, {"partials/3": part})
    return verdict.state


@pytest.mark.parametrize(
    ("vital", "state"),
    [
        pytest.param({}, "stuck", id="stands still while more is there to read"),
        pytest.param({"stirs": lambda now_s: now_s // 10}, "well", id="moves, if slowly"),
        pytest.param({"behind": False}, "well", id="has nothing to do"),
        pytest.param({"looks": 1}, "well", id="the broker does not answer"),
        pytest.param({"looks": lambda s: s // 8}, "well", id="the broker hardly answers"),
    ],
)
def test_a_partition_is_stuck_only_while_it_could_move(vital: dict[str, Any], state: str) -> None:
    assert judged(Judge(STUCK_S), range(1, 40), **vital) == state


def test_half_the_time_is_slow() -> None:
    assert judged(Judge(STUCK_S), range(1, 20)) == "slow"


def test_a_blocked_loop_is_stuck_whatever_its_partitions_were() -> None:
    assert judged(Judge(STUCK_S), range(1, 40), turns=False, behind=False) == "stuck"


def test_one_that_was_frozen_itself_begins_to_count_anew() -> None:
    still = Standstill()
    assert [still.see(at_s, 1, busy=True) for at_s in (0, 4, 100, 103)] == [0, 4, 0, 3]


def test_a_partition_that_was_given_away_is_forgotten() -> None:
    judge = Judge(STUCK_S)
    judged(judge, range(1, 40))
    judge.verdict(40, 40, {})

    assert judged(judge, range(41, 45)) == "well"


def test_the_sentence_says_what_stands_still_and_for_how_long() -> None:
    judge = Judge(STUCK_S)
    judged(judge, range(1, 40))
    part = Vital(stirs=1, looks=41, behind=True)

    assert judge.verdict(41, 41, {"partials/3": part}).why == (
        "partials/3 has not moved for 40 s, and there is more to read"
    )
