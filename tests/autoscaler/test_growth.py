import pytest

from autoscaler.demand import PoolSecond
from autoscaler.growth import GrowthWatch
from tests.autoscaler.world import at


def seconds(start: int, count: int, **each: float) -> list[PoolSecond]:
    return [PoolSecond(at(start + n), **each) for n in range(count)]  # type: ignore[arg-type]


def watched(
    *, before: int = 2, after: int, queued: float = 5, count_after: int = 70
) -> GrowthWatch:
    """One replica for 70 s, then two; requests finished per second before and after."""
    growth = GrowthWatch()
    growth.see(seconds(0, 70, ready=1, finished=before, queued=queued))
    growth.see(seconds(70, count_after, ready=2, finished=after, queued=queued))
    return growth


@pytest.mark.parametrize(
    ("growth", "fruitless"),
    [
        pytest.param(watched(after=2), True, id="twice-the-replicas-and-no-more-goodput"),
        pytest.param(watched(after=4), False, id="twice-the-goodput"),
        pytest.param(watched(after=2, queued=0), False, id="nothing-waited-so-nothing-is-proved"),
        pytest.param(watched(after=2, count_after=30), False, id="too-early-to-say"),
        pytest.param(watched(before=0, after=0), False, id="nothing-finished-at-all"),
    ],
)
def test_growth_that_brings_nothing(growth: GrowthWatch, *, fruitless: bool) -> None:
    assert bool(growth.fruitless(at(140))) == fruitless


def test_it_says_so_with_numbers() -> None:
    assert watched(after=2).fruitless(at(140)) == (
        "going from 1 to 2 replicas brought 2 to 2 requests/s while requests waited: "
        "more of them do not help"
    )


def test_it_is_forgotten_after_five_minutes() -> None:
    assert not watched(after=2).fruitless(at(140 + 300))


def test_it_is_forgotten_when_the_size_changes() -> None:
    growth = watched(after=2)
    growth.see(seconds(140, 1, ready=1, finished=2, queued=5))

    assert not growth.fruitless(at(141))
