from itertools import pairwise

import pytest

from streams.clock import SECOND_US
from streams.schemas.incidents import Cause, Incident, Subject
from streams.schemas.telemetry import Change
from tidegate.demo.faults import FAULTS, HOLD_S, Truth
from tidegate.demo.story import WARM_UP_S, Story, acts, verdict

ONSET_US = 40 * SECOND_US
FROZEN = Truth(
    fault="freeze",
    pool="codex",
    subject_kind="replica",
    subject="codex-2",
    caption="we froze codex-2",
    onset_us=ONSET_US,
)


def incident(name: str = "codex-2", at_s: float = 43, pool: str = "codex") -> Incident:
    at_us = round(at_s * SECOND_US)
    subject = Subject(kind="replica", name=name)
    cause = Cause(kind="replica_frozen", subject=subject, weight=0.9, sentence="it is silent")
    return Incident(
        id="INC-1", state="open", severity="critical", cluster="local", pool=pool, subject=subject,
        title="codex-2 frozen", started_at_us=at_us, opened_at_us=at_us, updated_at_us=at_us,
        causes=(cause,),
    )  # fmt: skip


def story() -> Story:
    told = Story(0)
    told.begun(FROZEN)
    return told


def test_a_right_incident_is_told_with_its_time() -> None:
    caption = story().incident(incident(), 43 * SECOND_US)

    assert caption == "  → 0:43 found, cause named: it is silent"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(incident("codex-1"), id="another-replica"),
        pytest.param(incident(pool="sora"), id="another-pool"),
        pytest.param(incident(at_s=39), id="an-older-story"),
    ],
)
def test_a_wrong_incident_counts_for_nothing(wrong: Incident) -> None:
    told = story()

    assert told.incident(wrong, 43 * SECOND_US) is None
    assert verdict(told.scored) == "1 faults, 0 named in time"


def test_only_the_first_right_incident_counts() -> None:
    told = story()
    told.incident(incident(), 43 * SECOND_US)

    assert told.incident(incident(at_s=50), 50 * SECOND_US) is None
    assert told.scored[0].found_after_s == 3


def test_found_too_late_is_not_in_time() -> None:
    told = story()
    told.incident(incident(), 56 * SECOND_US)

    assert not told.scored[0].in_time


def test_changes_go_on_with_the_story() -> None:
    told = story()
    moved = Change(id="c1", at_us=44 * SECOND_US, kind="set_aside", summary="x", pool="codex")

    assert told.change(moved, 44 * SECOND_US) == "  → 0:44 traffic moved"
    assert told.change(moved, 45 * SECOND_US) is None
    assert told.whole(told.scored[0]) == "0:40 we froze codex-2 → 0:44 traffic moved"


def test_every_fault_has_its_length() -> None:
    assert set(HOLD_S) == set(FAULTS)


@pytest.mark.parametrize("seed", range(20))
def test_acts_do_not_overlap_and_play_out(seed: int) -> None:
    played = list(acts(seed, 300))

    assert played[0].at_s >= WARM_UP_S
    assert all(a.at_s + a.hold_s < b.at_s for a, b in pairwise(played))
    assert played[-1].at_s + played[-1].hold_s <= 300


def test_any_five_seeds_begin_with_all_five_faults() -> None:
    assert {next(acts(seed, 120)).fault for seed in range(7, 12)} == set(FAULTS)
