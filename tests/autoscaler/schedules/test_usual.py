"""What is usual at a time of day is learned from days without events."""

from autoscaler.schedules.usual import QUARTER_US, QUARTERS, Usual
from streams.clock import SECOND_US


def day(usual: Usual, number: int, demand: float, *, scheduled: bool = False) -> None:
    """A look a minute."""
    for minute in range(1_440):
        at_us = (number * 1_440 + minute) * 60 * SECOND_US
        evening = minute >= 1_080
        usual.see(at_us, demand * (3 if evening else 1), scheduled=scheduled and evening)


def test_before_a_day_was_seen_what_was_lately_stands_in() -> None:
    usual = Usual()
    usual.see(0, 5.0, scheduled=False)

    assert usual.at(50 * QUARTER_US) == 5.0


def test_each_time_of_day_has_its_own() -> None:
    usual = Usual()
    day(usual, 0, 4.0)
    day(usual, 1, 4.0)

    assert (usual.at(2 * QUARTERS * QUARTER_US), usual.at(80 * QUARTER_US)) == (4.0, 12.0)


def test_the_last_day_counts_half() -> None:
    usual = Usual()
    for number, demand in enumerate((4.0, 8.0, 8.0)):
        day(usual, number, demand)

    assert usual.at(10 * QUARTER_US) == 7.0


def test_what_was_announced_does_not_become_usual() -> None:
    usual = Usual()
    for number in range(3):
        day(usual, number, 4.0, scheduled=True)

    assert usual.at(80 * QUARTER_US) == 4.0
