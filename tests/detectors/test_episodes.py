"""When an anomaly begins, goes on and ends."""

from collections.abc import Iterable

import numpy as np
import pytest

from detectors.episodes import MAX_OPEN, Episodes, Hits, anomaly_id
from streams.schemas.anomalies import Anomaly

SECOND_US = 1_000_000


def finding(at_s: int, score: float = 2.0, feature: str = "engine.up_min") -> Anomaly:
    return Anomaly(
        id=f"A-{at_s}",
        kind="engine",
        series_id="0" * 16,
        labels={},
        feature=feature,
        unit="ratio",
        started_at_us=at_s * SECOND_US,
        at_us=at_s * SECOND_US,
        score=score,
        peak_score=score,
        actual=score,
        expected=1,
        direction="below",
        detector="limit",
    )


CELL = np.array([0]), np.array([0])


def hits(need: int, pattern: Iterable[int]) -> list[bool]:
    """Whether each window has enough hits."""
    counter = Hits([need])
    counter.admit(0)
    rows = {0: np.zeros(0, np.int64), 1: np.zeros(1, np.int64)}
    return [bool(counter.mark((rows[hit], rows[hit])).any()) for hit in pattern]


def test_so_many_hits_in_twice_as_many_windows_are_enough() -> None:
    assert hits(3, [1, 0, 1, 0, 0, 1]) == [False] * 5 + [True]


def test_hits_that_lie_further_apart_are_not() -> None:
    assert not any(hits(3, [1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]))


def test_need_of_nothing_is_need_of_one() -> None:
    assert hits(0, [0, 1]) == [False, True]


def test_the_start_is_the_oldest_hit_of_the_span() -> None:
    counter = Hits([2])
    counter.admit(0)
    for _ in range(2):
        counter.mark(CELL)
    assert counter.windows_ago(0, 0) == 1


def test_a_row_that_is_given_away_has_no_hits() -> None:
    counter = Hits([2])
    counter.admit(0)
    counter.mark(CELL)
    counter.admit(0)
    assert not counter.mark(CELL).any()


def test_each_member_has_hits_and_a_need_of_its_own() -> None:
    counter = Hits([1, 2])
    counter.admit(0)
    both = np.array([0, 0]), np.array([0, 1])
    assert [counter.mark(both).tolist() for _ in range(2)] == [[True, False], [True, True]]


class Story:
    """One slot of ``Episodes``, second by second."""

    def __init__(self, ends_after_s: int = 3) -> None:
        self.episodes = Episodes(interval_us=SECOND_US, ends_after_us=ends_after_s * SECOND_US)
        self.said: list[Anomaly] = []

    def second(self, at_s: int, *found: Anomaly) -> list[Anomaly]:
        for one in found:
            if self.episodes.is_open((0, "x")):
                self.episodes.go_on((0, "x"), one)
            else:
                self.episodes.begin((0, "x"), one)
        said = list(self.episodes.settle((at_s + 1) * SECOND_US))
        self.said += said
        return said


def test_it_is_said_at_once_then_every_two_seconds() -> None:
    story = Story()
    said = [len(story.second(at_s, finding(at_s))) for at_s in range(6)]
    assert said == [1, 0, 1, 0, 1, 0]


def test_every_record_carries_the_first_identity_and_the_peak() -> None:
    story = Story()
    for at_s, score in enumerate([2.0, 5.0, 3.0]):
        story.second(at_s, finding(at_s, score))
    assert {one.id for one in story.said} == {"A-0"}
    assert (story.said[-1].score, story.said[-1].peak_score) == (3, 5)
    assert (story.said[-1].started_at_us, story.said[-1].at_us) == (0, 2 * SECOND_US)


def test_it_ends_after_quiet_at_the_end_of_its_last_window() -> None:
    story = Story(ends_after_s=3)
    story.second(0, finding(0))
    assert [len(story.second(at_s)) for at_s in (1, 2, 3)] == [0, 0, 1]
    assert story.said[-1].ended_at_us == SECOND_US
    assert not story.episodes.is_open((0, "x"))


def test_a_relapse_before_the_end_goes_on() -> None:
    story = Story(ends_after_s=3)
    for at_s in (0, 2, 4):
        story.second(at_s, finding(at_s))
        story.second(at_s + 1)
    assert {one.id for one in story.said} == {"A-0"}
    assert all(one.ended_at_us is None for one in story.said)


def test_the_strongest_finding_of_a_window_speaks() -> None:
    story = Story()
    (said,) = story.second(0, finding(0, 2), finding(0, 7), finding(0, 3))
    assert said.score == 7


def test_a_detector_on_several_values_keeps_the_one_it_began_with() -> None:
    story = Story()
    story.second(0, finding(0, 2))
    story.second(1)
    (said,) = story.second(2, finding(2, 4, "engine.cpu_ratio_mean"))
    assert (said.feature, said.actual, said.score) == ("engine.up_min", 2, 4)


def test_open_anomalies_are_bounded_and_the_rest_is_counted() -> None:
    episodes = Episodes(interval_us=SECOND_US, ends_after_us=SECOND_US)
    for row in range(MAX_OPEN + 2):
        episodes.begin((row, "x"), finding(0))
    assert episodes.left_out == 2


@pytest.mark.parametrize("other", [("s", "f", 2), ("s", "g", 1), ("t", "f", 1)])
def test_the_id_tells_series_value_and_start_apart(other: tuple[str, str, int]) -> None:
    assert anomaly_id("s", "f", 1) == anomaly_id("s", "f", 1)
    assert anomaly_id(*other) != anomaly_id("s", "f", 1)


def test_an_end_says_after_which_window_it_was_said() -> None:
    episodes = Episodes(interval_us=SECOND_US, ends_after_us=3 * SECOND_US)
    episodes.begin((0, "up_min"), finding(5))
    said = [one for end_s in range(6, 12) for one in episodes.settle(end_s * SECOND_US)]

    assert [one.told_at_us // SECOND_US for one in said] == [6, 9]
    assert said[-1].ended_at_us == 6 * SECOND_US
