import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.laboratory.routing import kept_at_home, least_in_flight

REPLICAS = np.array([3, 4, 5, 6])
IDLE, SLOTS = np.zeros(4, np.int64), np.full(4, 8.0)


def test_the_least_in_flight_goes_first() -> None:
    assert least_in_flight(REPLICAS, np.array([1, 0, 2, 8]), SLOTS)[:4].tolist() == [4, 3, 4, 3]


def test_alike_requests_stay_together_as_long_as_their_replica_has_no_more_than_its_share() -> None:
    alike = kept_at_home(REPLICAS, np.full(4, 4), SLOTS, np.full(2, 0.3))
    many = kept_at_home(REPLICAS, IDLE, SLOTS, np.full(16, 0.3))

    assert alike.tolist() == [4, 4]
    assert np.bincount(many).max() <= 1.25 * 4 + 1


@given(
    st.lists(st.floats(0, 0.999), max_size=40), st.lists(st.integers(0, 8), min_size=4, max_size=4)
)
def test_nobody_gets_more_than_it_has_room_for(places: list[float], held: list[int]) -> None:
    chosen = kept_at_home(REPLICAS, np.array(held), SLOTS, np.array(places))

    more = np.bincount(chosen - 3, minlength=4)
    assert np.all(more + held <= 8)
    assert chosen.size == min(len(places), 32 - sum(held))
