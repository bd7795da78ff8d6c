from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide import decide
from autoscaler.explore import EVERY_S, Exploration
from autoscaler.region import Limit, Region
from autoscaler.situation import Block, Situation
from streams.schemas.scaling import Decision
from tests.autoscaler.world import at


def situation(**but: Any) -> Situation:
    """Three replicas of four slots that hold seven requests: two would do, with little to spare."""
    usual: dict[str, Any] = {
        "pool": "codex",
        "now_us": at(0),
        "standing": 3,
        "ready": 3,
        "low": 1,
        "high": 5,
        "slots": 4,
        "demand": 7.0,
        "upper": 8.5,
        "in_flight": 7.0,
        "service_s": 10.0,
        "slo_queue_s": 1.0,
        "highest_recent": 3,
        "watched_s": 1e4,
        "explore_s": 60.0,
        "rested_s": EVERY_S,
        "ladder": "full",
    }
    return Situation(**(usual | but))


KNOWN = Region(decode_tokens_per_s=Limit(value=1e6, identified=True))


@pytest.mark.parametrize(
    ("given", "desired"),
    [
        pytest.param(situation(), 2, id="quiet-and-busy-enough"),
        pytest.param(situation(explore_s=0.0), 3, id="nobody-asked-for-it"),
        pytest.param(situation(rested_s=EVERY_S - 1), 3, id="once-an-hour"),
        pytest.param(situation(region=KNOWN), 3, id="nothing-to-find-out"),
        pytest.param(situation(in_flight=5.0), 3, id="nothing-would-be-seen"),
        pytest.param(situation(upper=8.9), 3, id="what-may-come-has-no-room"),
        pytest.param(situation(queued=1.0), 3, id="somebody-waits"),
        pytest.param(situation(missed=1), 3, id="somebody-waited-too-long"),
        pytest.param(situation(starting=1), 3, id="not-settled"),
        pytest.param(situation(stalled=True), 3, id="windows-stand-still"),
        pytest.param(situation(data_age_s=6.0), 3, id="old-figures"),
        pytest.param(situation(blocks=(Block(incident="I", open_s=5.0),)), 3, id="an-incident"),
        pytest.param(situation(low=3), 3, id="never-below-the-least"),
        pytest.param(situation(standing=2, ready=2, exploring_s=30.0, rested_s=1.0), 2, id="lasts"),
        pytest.param(
            situation(standing=2, ready=2, exploring_s=60.0, rested_s=1.0), 3, id="and-ends"
        ),
        pytest.param(
            situation(standing=2, ready=2, exploring_s=9.0, rested_s=1.0, queued=1.0),
            3,
            id="at-once-when-somebody-waits",
        ),
    ],
)
def test_a_pool_explores_only_where_it_hurts_nobody(given: Situation, desired: int) -> None:
    assert decide(given).desired == desired


def test_the_reason_says_that_it_was_allowed() -> None:
    assert "2: one fewer for at most 60 s, as allowed" in decide(situation()).reason


@given(
    standing=st.integers(0, 20),
    ready=st.integers(0, 20),
    upper=st.floats(0, 200),
    in_flight=st.floats(0, 200),
    queued=st.floats(0, 20),
    missed=st.integers(0, 3),
    stalled=st.booleans(),
    data_age_s=st.floats(0, 20),
    exploring_s=st.floats(0, 200),
    rested_s=st.floats(0, 7_200),
    highest_recent=st.integers(0, 20),
)
def test_exploring_takes_one_replica_at_most_and_only_from_a_quiet_pool(**drawn: Any) -> None:
    with_it, without = (decide(situation(**drawn, explore_s=s)).desired for s in (60.0, 0.0))

    assert with_it in {without, without - 1}
    quiet = not (drawn["missed"] or drawn["stalled"] or drawn["data_age_s"] > 5)
    assert with_it == without or (quiet and drawn["queued"] < 1 and with_it >= 1)


def decided(second: int, *guards: str) -> Decision:
    usual: dict[str, Any] = {"id": "d", "cluster": "local", "pool": "codex", "reason": "r"}
    sizes: dict[str, Any] = {"current": 3, "desired": 2, "proposed": 3, "ladder": "full"}
    return Decision(at_us=at(second), guards=guards, **usual, **sizes)


def test_it_is_remembered_how_long_it_lasts_and_when_it_ended() -> None:
    memory = Exploration()
    for second in range(100, 130):
        memory.see(decided(second, "explore"))

    assert memory.lasts_s(at(130)) == 31
    assert (memory.lasts_s(at(200)), memory.rested_s(at(200))) == (0, 71)
