"""The contest run with two whose worth is known: one who knows the labels, one who guesses."""

from collections.abc import Mapping
from itertools import count
from typing import Final

import numpy as np
import pytest

from detectors.banks.base import Floats
from detectors.bench.contest import Contender, contest
from detectors.bench.labelled import Labelled, Windows
from detectors.bench.ours import OURS
from detectors.bench.scores import MEASURES
from tests.detectors.bench.labelled import ROWS, labelled

WINDOWS: Final[tuple[Windows, ...]] = (((300, 340),), ((430, 430), (640, 690)), (), ((800, 820),))
FILES: Final = [labelled(str(at), windows) for at, windows in enumerate(WINDOWS)]


def oracle(file: Labelled, _: int) -> Mapping[str, Floats]:
    return {OURS: np.where(file.label, 2.0, 0.0)}


def chance(file: Labelled, seed: int) -> Mapping[str, Floats]:
    return {"chance": np.random.default_rng([seed, int(file.name)]).random(ROWS)}


def worth(set_name: str, contender: Contender, measure: str) -> float:
    result = contest(set_name, FILES, contender, seed=1, clock=lambda: 0.0)
    (found,) = result.worths[measure].values()
    assert found.value is not None
    return found.value


@pytest.mark.parametrize(
    ("set_name", "measure", "perfect", "guessed"),
    [
        ("smd", "vus_pr", 0.8, 0.3),
        ("ms_cloud", "vus_pr_after", 0.8, 0.3),
        ("asd", "auc_pr", 1.0, 0.2),
        ("ms_cloud", "recall_0.1", 1.0, 0.5),
        ("ms_cloud", "recall_0.3", 1.0, 0.75),
        ("nab", "nab_best", 98.0, 60.0),
        ("nab", "nab_every_row", 98.0, 60.0),
        ("nab", "nab_halves", 98.0, 60.0),
    ],
)
def test_one_who_knows_wins(set_name: str, measure: str, perfect: float, guessed: float) -> None:
    assert worth(set_name, oracle, measure) >= perfect
    assert worth(set_name, chance, measure) <= guessed


@pytest.mark.parametrize("set_name", MEASURES)
def test_only_ours_has_a_boundary_of_its_own(set_name: str) -> None:
    ours = contest(set_name, FILES, oracle, seed=1, clock=lambda: 0.0).worths
    theirs = contest(set_name, FILES, chance, seed=1, clock=lambda: 0.0).worths
    (boundary,) = set(ours) - set(theirs)
    (found,) = ours[boundary].values()
    assert found.value == pytest.approx(100.0 if set_name == "nab" else 1.0, abs=2.0)


def test_a_single_file_has_no_other_half() -> None:
    result = contest("smd", FILES[:1], oracle, seed=1, clock=lambda: 0.0)
    assert "recall_0.1" not in result.worths
    assert result.worths["recall_boundary"][OURS].value == 1.0


def test_files_without_events_count_nowhere_but_for_false_alerts() -> None:
    result = contest("ms_cloud", FILES[2:3], chance, seed=1, clock=lambda: 0.0)
    assert result.worths["vus_pr"]["chance"].value is None


def test_what_is_no_number_is_counted() -> None:
    def broken(_: Labelled, __: int) -> Mapping[str, Floats]:
        return {"broken": np.full(ROWS, np.nan)}

    assert contest("nab", FILES, broken, seed=1, clock=lambda: 0.0).not_finite == ROWS * len(FILES)


def test_cost_is_that_of_running_not_of_judging() -> None:
    seconds = count()
    result = contest("nab", FILES, chance, seed=1, clock=lambda: float(next(seconds)))
    assert result.us_per_row == pytest.approx(1e6 / (ROWS * len(FILES)))
