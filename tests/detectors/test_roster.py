"""Rows are given, kept, given away, and bounded."""

import numpy as np

from detectors.roster import Roster, shared

HOUR_US = 3_600_000_000


def place(roster: Roster, *series: int, at_us: int = 1) -> tuple[list[int], list[int]]:
    labels = {key: {"pool": "a", "replica": f"a-{key}"} for key in series}
    rows, new = roster.place(np.array(series, np.int64), labels, at_us)
    return rows.tolist(), new


def test_a_series_keeps_its_row() -> None:
    roster = Roster(max_rows=5)
    assert place(roster, 7, 9) == ([0, 1], [0, 1])
    assert place(roster, 9, 8, 7) == ([1, 2, 0], [2])


def test_the_newest_attributes_of_a_series_are_known() -> None:
    roster = Roster(max_rows=5)
    place(roster, 7)
    roster.place(np.array([7]), {7: {"gpu_uuid": "GPU-1", "replica": "a-9"}}, 2)
    assert roster.labels[0]["replica"] == "a-9"


def test_when_all_rows_are_taken_a_newcomer_is_left_out_and_counted() -> None:
    roster = Roster(max_rows=2)
    assert place(roster, 1, 2, 3) == ([0, 1, -1], [0, 1])
    assert (len(roster), roster.left_out) == (2, 1)


def test_a_row_unseen_for_an_hour_is_given_away() -> None:
    roster = Roster(max_rows=1)
    place(roster, 1)
    assert place(roster, 2, at_us=HOUR_US) == ([-1], [])
    assert place(roster, 2, at_us=HOUR_US + 2) == ([0], [0])
    assert (roster.series, roster.labels[0]["replica"], len(roster)) == ([2], "a-2", 1)


def test_absent_are_those_seen_of_late_and_not_now() -> None:
    roster = Roster(max_rows=5)
    place(roster, 1, at_us=10)
    place(roster, 2, 3, at_us=100)
    present, _ = roster.place(np.array([3]), {3: {}}, 110)
    assert roster.absent(present, 110, 50).tolist() == [1]


def test_rows_are_found_by_their_labels() -> None:
    roster = Roster(max_rows=5)
    place(roster, 1, 2)
    assert roster.row_with({"pool": "a", "replica": "a-2"}) == 1
    assert roster.row_with({"pool": "b"}) is None
    assert roster.matching(np.array([0, 1]), {"replica": "a-1"}).tolist() == [True, False]


def test_shared_keeps_only_the_named_labels() -> None:
    assert shared({"pool": "a", "tenant": "t"}, ("cluster", "pool")) == {"cluster": "", "pool": "a"}
