"""How long answers become in the laboratory, and what would be found in them."""

from typing import Any

import numpy as np
import pytest

from detectors.laboratory.answers import (
    EMPTY,
    LONGEST,
    REPEATED,
    STRETCH_TOKENS,
    Speech,
    begun,
    found_at_the_end,
    found_while_written,
)
from detectors.laboratory.cluster import CODEX, SORA, Cluster
from detectors.laboratory.flights import Of
from streams.windows.table import Floats

CLUSTER = Cluster(services=(CODEX, SORA), replicas=(1, 1), zones=1)
MANY = 2_000


def flights(**but: Any) -> Floats:
    rows = np.zeros((MANY, len(Of)))
    rows[:, Of.ARRIVED] = np.random.default_rng(1).uniform(0, 900, MANY)
    rows[:, Of.OUTPUT], rows[:, Of.LIMIT] = 200.0, LONGEST
    for name, value in but.items():
        rows[:, Of[name]] = value
    return rows


def speech(**but: float) -> Speech:
    usual = {"empty_ratio": 0.0, "loop_ratio": 0.0, "scale": 1.0, "cap": np.inf}
    return Speech(**{name: np.full(2, value) for name, value in (usual | but).items()})


def answered(rows: Floats | None = None, **but: float) -> Floats:
    return begun(flights() if rows is None else rows, np.zeros(MANY, np.int64), speech(**but))


def test_of_a_healthy_replica_only_flaws_are_drawn() -> None:
    rows = answered()

    assert np.array_equal(rows[:, Of.OUTPUT], flights()[:, Of.OUTPUT])
    assert 0 < np.mean(rows[:, Of.FLAW] > 0) < 0.03


@pytest.mark.parametrize(
    ("but", "tokens"),
    [
        pytest.param({"empty_ratio": 1.0}, 1.0, id="empty"),
        pytest.param({"loop_ratio": 1.0}, LONGEST, id="loops-reach-their-limit"),
        pytest.param({"scale": 0.25}, 50.0, id="shorter"),
        pytest.param({"cap": 16.0}, 16.0, id="cut"),
        pytest.param({"loop_ratio": 1.0, "cap": 16.0}, 16.0, id="cut-loops"),
    ],
)
def test_lengths(but: dict[str, Any], tokens: float) -> None:
    assert set(answered(**but)[:, Of.OUTPUT]) == {tokens}


def test_as_many_are_wrong_as_is_asked_for() -> None:
    flaw = answered(empty_ratio=0.5, loop_ratio=0.5)[:, Of.FLAW]

    assert np.mean(flaw == EMPTY) == pytest.approx(0.5, abs=0.05)
    assert np.all((flaw == EMPTY) | (flaw == REPEATED))


def test_what_reached_its_limit_is_cut() -> None:
    rows = answered(flights(LIMIT=200.0, DONE=200.0))

    found = found_at_the_end(rows, CLUSTER)
    assert found["truncated"].tolist() == found["ends"].tolist() == [MANY, 0]
    assert found["answer_tokens"].tolist() == [200.0 * MANY, 0]


def test_the_gateway_looks_at_no_video() -> None:
    found = found_at_the_end(flights(REPLICA=1), CLUSTER)

    assert all(not counts.any() for counts in found.values())


@pytest.mark.parametrize(
    ("before", "done", "stretches"),
    [
        pytest.param(0.0, STRETCH_TOKENS - 1, 0, id="not-full"),
        pytest.param(STRETCH_TOKENS - 1, STRETCH_TOKENS + 1, 1, id="full"),
        pytest.param(290.0, 300.0, 1, id="the-rest-at-the-end"),
        pytest.param(300.0, 300.0, 0, id="once"),
    ],
)
def test_stretches(before: float, done: float, stretches: int) -> None:
    rows = flights(OUTPUT=300.0, DONE=done, FLAW=REPEATED)
    one = np.zeros(MANY, np.int64)

    found = found_while_written(rows, np.full(MANY, before), one, 2)
    assert found.tolist() == [[stretches * MANY, 0], [stretches * MANY, 0]]
