import numpy as np
import pytest

from detectors.bench.bootstrap import paired
from detectors.bench.ours import OURS
from detectors.bench.verdict import Verdict, verdicts
from detectors.bench.worth import Worth

FILES = 12
NOISE = np.random.default_rng(5).normal(size=FILES) * 0.05


def worth(level: float) -> Worth:
    return Worth(level + NOISE, np.ones(FILES))


def verdict(**levels: float) -> Verdict:
    names = {"ours": OURS, "member": f"{OURS}: one", "peer": "peer", "other": "other"}
    worths = {names[who]: worth(level) for who, level in levels.items()}
    (found,) = verdicts("smd", {"vus_pr": worths}, seed=0)
    return found


def test_ours_is_compared_with_the_best_of_the_others() -> None:
    found = verdict(ours=0.6, peer=0.5, other=0.4)
    assert (found.best_peer, found.ahead, found.reached) == ("peer", True, True)


@pytest.mark.parametrize(
    ("member", "keeps_up"),
    [
        pytest.param(0.615, True, id="loses-a-point-and-a-half"),
        pytest.param(0.625, False, id="loses-two-and-a-half"),
    ],
)
def test_ours_may_lose_two_points_to_its_best_member(member: float, *, keeps_up: bool) -> None:
    assert verdict(ours=0.6, member=member).keeps_up is keeps_up


def test_an_advantage_on_half_of_the_files_is_none() -> None:
    turns = np.where(np.arange(FILES) % 2, 0.3, -0.28)
    difference = paired(Worth(0.5 + turns, np.ones(FILES)), worth(0.5), seed=0)
    assert difference is not None
    assert difference.low < 0 < difference.value < difference.high


def test_files_count_by_what_is_to_be_found_in_them() -> None:
    events = np.array([10.0, 1.0])
    ours, theirs = Worth(np.array([10.0, 0.0]), events), Worth(np.array([0.0, 1.0]), events)
    difference = paired(ours, theirs, seed=0)
    assert difference is not None
    assert difference.value == pytest.approx(9 / 11)


def test_nothing_to_find_gives_no_difference() -> None:
    none = Worth(np.zeros(2), np.zeros(2))
    assert paired(none, none, seed=0) is None
