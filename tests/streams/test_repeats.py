import random

import pytest

from streams.codec import FrameHeader
from streams.repeats import WINDOW, Repeats


def frame(sequence: int, producer: str = "p", boot: str = "b") -> FrameHeader:
    return FrameHeader(producer=producer, boot=boot, sequence=sequence, count=0)


def taken(repeats: Repeats, *sequences: int) -> list[bool]:
    return [repeats.take(frame(sequence)) is not None for sequence in sequences]


@pytest.mark.parametrize(
    ("sequences", "new"),
    [
        pytest.param([1, 2, 3], [True, True, True], id="in-order"),
        pytest.param([1, 1], [True, False], id="repeated"),
        pytest.param([5, 3, 4, 3], [True, True, True, False], id="overtaken"),
        pytest.param([0, WINDOW, 0], [True, True, False], id="too-old-to-know"),
        pytest.param([0, WINDOW - 1, 0], [True, True, False], id="the-oldest-that-is-known"),
        pytest.param([1, WINDOW - 1, 0], [True, True, True], id="the-oldest-not-yet-seen"),
        pytest.param([0, 2**62 - 1], [True, True], id="a-leap"),
    ],
)
def test_each_frame_is_new_once(sequences: list[int], new: list[bool]) -> None:
    assert taken(Repeats(), *sequences) == new


def test_any_order_within_the_window_counts_each_once() -> None:
    sequences = [n for n in range(WINDOW) for _ in range(2)]
    random.Random(3).shuffle(sequences)

    assert sum(taken(Repeats(), *sequences)) == WINDOW


def test_a_mark_stored_and_remembered_knows_as_much() -> None:
    before, after = Repeats(), Repeats()
    marks = [before.take(frame(sequence)) for sequence in (4, 2)]
    assert marks[-1] is not None

    after.remember(marks[-1])

    assert taken(after, 2, 3, 4) == [False, True, False]
    assert marks[-1].seen < 2**63


def test_the_producer_silent_longest_is_forgotten() -> None:
    repeats = Repeats(max_producers=2)
    for producer in ("a", "b", "a", "c"):
        repeats.take(frame(len(producer) + ord(producer), producer))
    repeats.take(frame(500, "a"))

    assert (repeats.forgotten(), repeats.forgotten()) == ([("b", "b")], [])


def test_who_is_forgotten_does_not_depend_on_when_it_is_asked() -> None:
    repeats = Repeats(max_producers=2)
    for producer in ("a", "b", "c"):
        repeats.take(frame(1, producer))

    assert repeats.take(frame(1, "a")) is not None
    assert repeats.forgotten() == [("b", "b")]


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        pytest.param([1, 2, 3], 0, id="all-there"),
        pytest.param([7, 8], 0, id="what-was-before-the-first-is-not-known"),
        pytest.param([1, 4], 2, id="two-missing"),
        pytest.param([1, 4, 4], 2, id="one-of-them-came-again"),
        pytest.param([1, 4, 3], 1, id="overtaken-and-not-missing"),
        pytest.param([0, 0, 0], 0, id="a-producer-that-does-not-count"),
    ],
)
def test_what_is_missing_by_its_number(numbers: list[int], lost: int) -> None:
    repeats = Repeats()
    for sequence, number in enumerate(numbers):
        repeats.take(frame(number or sequence).but(number=number))

    assert repeats.lost("p", "b") == lost
