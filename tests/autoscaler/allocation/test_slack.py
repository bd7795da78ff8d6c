"""Jobs that have a deadline beside a pool that cannot wait: what is due, and what is left over."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.allocation.market import Market
from autoscaler.decide import decide_again
from autoscaler.settings import ScalingSettings
from autoscaler.situation import Situation
from tests.autoscaler.allocation.test_market import FIRST, H100, decided, pool, sizes, wants

POOLS = (pool("codex"), pool("sora", role="job", deadline_s=3_600))


def market() -> Market:
    return Market(ScalingSettings(stocks=(H100,), claims=(FIRST,)), POOLS, "local")


def jobs(**but: Any) -> Situation:
    """Two replicas of four slots, jobs that call for one of them, and many that could wait."""
    usual = {"deadline_s": 3_600.0, "urgent": 4.0, "queued": 30.0, "highest_recent": 1}
    return wants(1, "sora", **(usual | but))


@pytest.mark.parametrize(
    ("others", "but", "granted"),
    [
        pytest.param(2, {}, (2, 4), id="they-take-what-nobody-needs"),
        pytest.param(3, {}, (3, 3), id="and-give-it-back"),
        pytest.param(6, {}, (5, 1), id="others-first-by-priority"),
        pytest.param(
            2, {"queued": 0.0, "in_flight": 8.0}, (2, 2), id="no-more-than-there-are-jobs"
        ),
        pytest.param(2, {"failed_starts": 2}, (2, 2), id="not-into-a-crash-loop"),
        pytest.param(2, {"gpus_ordered": 63}, (2, 3), id="nor-beyond-the-budget"),
        pytest.param(2, {"high": 3}, (2, 3), id="nor-beyond-the-bounds"),
        pytest.param(5, {"stalled": True}, (4, 2), id="nothing-is-taken-away-on-doubt"),
    ],
)
def test_jobs_fill_what_is_left(others: int, but: dict[str, Any], granted: tuple[int, int]) -> None:
    assert sizes(wants(others), jobs(**but), market=market()) == granted


def test_the_sentence_says_that_they_only_fill() -> None:
    sora = decided(wants(2), jobs(), market=market())["sora"]

    assert sora.reason.endswith("; 4: nobody else needs the GPUs now, and 30 jobs wait")
    assert decide_again(sora) == sora


@given(others=st.integers(0, 8), urgent=st.floats(0, 40), queued=st.floats(0, 100))
def test_filling_takes_nothing_from_anybody(others: int, urgent: float, queued: float) -> None:
    codex, filled = sizes(wants(others), jobs(urgent=urgent, queued=queued), market=market())
    alone, due = sizes(
        wants(others), jobs(urgent=urgent, queued=0.0, in_flight=0.0), market=market()
    )

    assert (codex, due) == (alone, min(due, filled))
    assert codex + filled <= H100.gpus
