import numpy as np

from streams.clock import SECOND_US
from streams.punctuality import Punctuality
from streams.settings import WindowSettings

SETTINGS = WindowSettings(lateness_s=2, max_clock_error_s=0.5)


def read(one: Punctuality, *seconds: float) -> list[float]:
    reached = one.read(np.array([int(s * SECOND_US) for s in seconds], np.int64))
    return [(int(mark) + 1) / SECOND_US for mark in reached]


def test_the_watermark_trails_the_append_time_by_the_lateness() -> None:
    assert read(Punctuality.of(SETTINGS), 10, 11.5) == [8, 9.5]


def test_it_never_goes_back() -> None:
    one = Punctuality.of(SETTINGS)

    assert read(one, 10, 9, 11) == [8, 8, 9]
    assert read(one, 5) == [9]


def test_at_the_end_of_the_log_it_follows_the_clock() -> None:
    one = Punctuality.of(SETTINGS)
    one.at_end(20 * SECOND_US)

    assert one.watermark_us == 17_500_000 - 1
    assert read(one, 10) == [17.5]


def test_a_clock_behind_the_log_changes_nothing() -> None:
    one = Punctuality.of(SETTINGS)
    read(one, 10)
    one.at_end(0)

    assert one.watermark_us == 8 * SECOND_US - 1


def test_nothing_read_changes_nothing() -> None:
    one = Punctuality.of(SETTINGS)

    assert (read(one), one.watermark_us) == ([], 0)
