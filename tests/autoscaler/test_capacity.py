import pytest

from autoscaler.capacity import Served, ServiceTime
from streams.errors import InvalidParameterError


def served(occupancy: float, seconds: float, work: float = 1, *, count: int = 1) -> Served:
    return Served(count=count, seconds=seconds, work=work, occupancy=occupancy, slots=4)


def learned(*points: tuple[float, ...], times: int = 100) -> ServiceTime:
    service = ServiceTime()
    for point in points * times:
        service.learn(served(*point))
    return service


@pytest.mark.parametrize(
    ("points", "full_s"),
    [
        pytest.param([(1, 3), (2, 3), (3, 3)], 3.0, id="slots-of-their-own"),
        pytest.param([(1, 3), (2, 6), (3, 9)], 12.0, id="slots-that-share-their-speed"),
        pytest.param([(3, 9), (4, 12)], 12.0, id="seen-when-full"),
        pytest.param([(2, 6)], 6.0, id="no-slope-without-variety"),
        pytest.param([(1, 9), (3, 6)], 7.5, id="faster-when-fuller-is-not-believed"),
        pytest.param([(0.1, 1), (0.9, 9)], 20.0, id="never-more-than-four-times-the-mean"),
        pytest.param(
            [(1, 1, 10), (3, 9, 90)], 5.0, id="long-requests-fill-replicas-and-are-not-slow-for-it"
        ),
    ],
)
def test_serving_time_in_a_full_replica(points: list[tuple[float, ...]], full_s: float) -> None:
    assert learned(*points).full_s(slots=4) == pytest.approx(full_s, rel=0.1)


def test_nothing_is_known_before_anything_finished() -> None:
    service = ServiceTime()

    assert (service.known, service.identified, service.full_s(4)) == (False, False, 0.0)


def test_capacity_is_identified_once_full_replicas_were_seen() -> None:
    assert learned((4, 12), times=20).identified
    assert not learned((2, 6), times=500).identified


def test_what_was_long_ago_counts_little() -> None:
    service = learned((2, 10))
    service.learn(served(2, 4_000, work=2_000, count=2_000))

    assert service.full_s(4) == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        pytest.param(served(1, -1.0), "seconds must be finite", id="negative-time"),
        pytest.param(served(1, float("nan")), "seconds must be finite", id="no-time"),
        pytest.param(served(1, 1.0, work=0), "work must be more than 0", id="no-work"),
    ],
)
def test_what_cannot_be_is_refused(wrong: Served, why: str) -> None:
    with pytest.raises(InvalidParameterError, match=why):
        ServiceTime().learn(wrong)
