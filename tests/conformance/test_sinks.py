"""Every sink of the table keeps the contract of ``streams/sinks/base.py``."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import streams.sinks as family
from streams.settings import InfluxSettings, SinkSettings
from streams.sinks import SINKS, enabled_sinks
from streams.sinks.base import FieldValue, Point, Sink
from streams.sinks.embedded import EmbeddedSink
from streams.sinks.jsonl import read_jsonl
from tests.streams.influx_fake import FakeInflux, fake_influx_server

NOON_US = 1_767_268_800_000_000
NOT_MEMBERS = {"base", "delivery", "points", "spool", "stage"}

Store = tuple[Callable[[], Sink], Callable[[str], list[Point]]]


def point(at_s: float = 0, pool: str = "codex", **given: FieldValue) -> Point:
    at_us = NOON_US + round(at_s * 1e6)
    fields: dict[str, FieldValue] = {**given} or {"ready": 2}
    return Point(measurement="pool", at_us=at_us, tags={"pool": pool}, fields=fields)


@pytest.fixture
def fake_influx() -> Iterator[FakeInflux]:
    with fake_influx_server() as server:
        yield server


@pytest.fixture(params=SINKS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Opens the sink (again), and reads back what it holds."""
    path = tmp_path / "folder that is not there yet" / "points"
    match request.param:
        case "embedded":
            embedded = SinkSettings(embedded_path=str(path))
            return lambda: _opened(embedded), lambda name: _read_embedded(path, name)
        case "jsonl":
            jsonl = SinkSettings(jsonl_path=str(path))
            return lambda: _opened(jsonl), lambda name: read_jsonl(path)
        case "influxdb":
            server: FakeInflux = request.getfixturevalue("fake_influx")
            influx = SinkSettings(influx=InfluxSettings(url=server.url, bucket="tidegate/autogen"))
            return lambda: _opened(influx), server.read
    raise AssertionError(f"say here how to read back from the sink {request.param!r}")


def _opened(settings: SinkSettings) -> Sink:
    (sink,) = enabled_sinks(settings)
    return sink


def _read_embedded(path: Path, measurement: str) -> list[Point]:
    sink = EmbeddedSink(path, retention_s=1e9, max_bytes=10**9)
    found = list(sink.read(measurement))
    sink.close()
    return found


def write(store: Store, *points: Point) -> None:
    sink = store[0]()
    assert not sink.write(points)
    sink.close()


def test_what_is_written_can_be_read(store: Store) -> None:
    written = [
        point(0, ready=2, sure=True, share=0.25, why='say "no", a=b\\ and 5 µs\nnext line'),
        point(1, pool="so,ra = x", ready=1, sure=False, share=3.0, why=""),
    ]
    write(store, *written)
    assert store[1]("pool") == written


def test_writing_twice_is_writing_once(store: Store) -> None:
    write(store, point(0), point(1))
    write(store, point(0), point(1))
    assert store[1]("pool") == [point(0), point(1)]


def test_the_newest_of_an_identity_holds(store: Store) -> None:
    write(store, point(0, ready=2), point(1, ready=3))
    write(store, point(0, ready=9))
    assert store[1]("pool") == [point(0, ready=9), point(1, ready=3)]


def test_series_of_the_same_instant_stay_apart(store: Store) -> None:
    write(store, point(0, pool="codex"), point(0, pool="sora"))
    assert store[1]("pool") == [point(0, pool="codex"), point(0, pool="sora")]


def test_a_sink_that_was_closed_opens_again(store: Store) -> None:
    sink = store[0]()
    sink.write([point(0)])
    sink.close()
    sink.write([point(1)])
    sink.close()
    sink.close()
    assert store[1]("pool") == [point(0), point(1)]


def test_nothing_is_switched_on_by_default() -> None:
    assert enabled_sinks(SinkSettings()) == []


def test_the_table_names_every_module_of_the_folder() -> None:
    folder = Path(_file(family)).parent
    assert {path.stem for path in folder.glob("[a-z]*.py")} - NOT_MEMBERS == set(SINKS)


def test_a_sink_is_called_as_in_the_table(store: Store, request: pytest.FixtureRequest) -> None:
    assert store[0]().name == request.node.callspec.params["store"]


def _file(module: ModuleType) -> str:
    assert module.__file__
    return module.__file__
