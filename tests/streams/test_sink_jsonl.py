from contextlib import closing
from pathlib import Path

import pytest

from streams.errors import SinkUnavailableError
from streams.sinks.base import Point
from streams.sinks.jsonl import JsonlSink, read_jsonl

POINT = Point(measurement="pool", at_us=1, tags={"pool": "codex"}, fields={"ready": 1})


def test_a_line_torn_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "points.jsonl"
    path.write_bytes(b'{"measurement":"po')
    with closing(JsonlSink(path, max_bytes=10**6)) as sink:
        sink.write([POINT])
    assert read_jsonl(path) == [POINT]


def test_a_full_file_makes_room_for_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "points.jsonl"
    sink = JsonlSink(path, max_bytes=100)
    for at_us in range(1, 4):
        sink.write([POINT.but(at_us=at_us), POINT.but(at_us=at_us + 10)])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["points.jsonl.1"]
    assert [point.at_us for point in read_jsonl(tmp_path / "points.jsonl.1")] == [3, 13]


def test_a_path_that_is_a_folder_is_unavailability(tmp_path: Path) -> None:
    with pytest.raises(SinkUnavailableError, match="sink 'jsonl' unavailable"):
        JsonlSink(tmp_path, max_bytes=100).write([POINT])
