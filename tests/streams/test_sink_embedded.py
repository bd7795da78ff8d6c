from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.errors import SinkUnavailableError
from streams.sinks.base import Point
from streams.sinks.embedded import EmbeddedSink


def points(*at_s: int, text: str = "") -> list[Point]:
    return [
        Point(measurement="pool", at_us=at * 1_000_000, tags={}, fields={"text": text})
        for at in at_s
    ]


def times(sink: EmbeddedSink) -> list[int]:
    return [point.at_us // 1_000_000 for point in sink.read("pool")]


Open = Callable[..., EmbeddedSink]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    made: list[EmbeddedSink] = []

    def open_(*, retention_s: float = 1e6, max_bytes: int = 10**9) -> EmbeddedSink:
        made.append(EmbeddedSink(tmp_path / "db", retention_s=retention_s, max_bytes=max_bytes))
        return made[-1]

    yield open_
    for sink in made:
        sink.close()


def test_what_is_older_than_the_retention_goes(opened: Open) -> None:
    sink = opened(retention_s=60)
    sink.write(points(100, 150, 161))
    assert times(sink) == [150, 161]


def test_the_oldest_goes_when_the_size_is_reached(opened: Open) -> None:
    sink = opened(max_bytes=500_000)
    for start in range(0, 4_000, 50):
        sink.write(points(*range(start, start + 50), text="x" * 1_000))
    kept = times(sink)
    assert kept == list(range(kept[0], 4_000))
    assert 200 < len(kept) < 500


def test_a_time_range_is_half_open(opened: Open) -> None:
    sink = opened()
    sink.write(points(1, 2, 3))
    found = sink.read("pool", since_us=1_000_000, until_us=3_000_000)
    assert [point.at_us for point in found] == [1_000_000, 2_000_000]


def test_a_path_that_is_a_folder_is_unavailability(tmp_path: Path) -> None:
    with pytest.raises(SinkUnavailableError, match="sink 'embedded' unavailable"):
        EmbeddedSink(tmp_path, retention_s=60, max_bytes=10**9).write(points(1))
