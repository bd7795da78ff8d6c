from collections.abc import Iterator

import pytest

from streams.errors import SinkUnavailableError
from streams.settings import InfluxSettings
from streams.sinks.base import Point
from streams.sinks.influxdb import InfluxSink
from tests.streams.influx_fake import FakeInflux, fake_influx_server

TOKEN = "tidegate:hunter2hunter2"


@pytest.fixture
def fake_influx() -> Iterator[FakeInflux]:
    with fake_influx_server() as server:
        yield server


def sink(fake: FakeInflux) -> InfluxSink:
    return InfluxSink(InfluxSettings(url=fake.url, token=TOKEN, bucket="b/autogen", batch_points=8))


def points(count: int) -> list[Point]:
    return [
        Point(measurement="pool", at_us=1_000_000 + n, tags={"n": f"n{n}"}, fields={"ready": n})
        for n in range(count)
    ]


def test_a_batch_travels_gzipped_with_microseconds(fake_influx: FakeInflux) -> None:
    sink(fake_influx).write(points(3))
    (request,) = fake_influx.requests
    assert request["Content-Encoding"] == "gzip"
    assert "precision=us" in request["path"]
    assert "bucket=b%2Fautogen" in request["path"]


def test_bad_points_are_found_among_good_ones(fake_influx: FakeInflux) -> None:
    fake_influx.poison = "n=n5"
    bad = sink(fake_influx).write(points(8))
    assert [(one.point.tags["n"], one.reason) for one in bad] == [
        ("n5", "HTTP 400: unable to parse a line")
    ]
    assert len(fake_influx.read("pool")) == 7


def test_looking_for_bad_points_has_a_bound(fake_influx: FakeInflux) -> None:
    fake_influx.poison = "pool"
    assert len(sink(fake_influx).write(points(400))) == 400
    assert len(fake_influx.requests) <= 64


@pytest.mark.parametrize(
    ("answer", "pause_s"),
    [
        pytest.param((429, {"Retry-After": "7"}, ""), 7.0, id="busy-says-when"),
        pytest.param((503, {}, ""), 2.0, id="down"),
        pytest.param((401, {}, '{"message": "unauthorized"}'), 30.0, id="wrong-token"),
        pytest.param((404, {}, '{"message": "database not found"}'), 30.0, id="no-such-bucket"),
    ],
)
def test_a_refusal_of_everything_is_unavailability(
    fake_influx: FakeInflux, answer: tuple[int, dict[str, str], str], pause_s: float
) -> None:
    fake_influx.answers = [answer]
    with pytest.raises(SinkUnavailableError) as failure:
        sink(fake_influx).write(points(2))
    assert failure.value.retry_after_s == pause_s


def test_the_token_is_in_no_message(fake_influx: FakeInflux) -> None:
    echo = f'{{"message": "no such user {TOKEN}, password hunter2hunter2"}}'
    fake_influx.answers = [(401, {}, echo)]
    with pytest.raises(SinkUnavailableError) as failure:
        sink(fake_influx).write(points(1))
    assert "hunter2" not in repr(failure.value)
    assert failure.value.__cause__ is None


def test_nobody_listening_is_unavailability() -> None:
    nowhere = InfluxSink(InfluxSettings(url="http://127.0.0.1:9", token=TOKEN))
    with pytest.raises(SinkUnavailableError, match="sink 'influxdb' unavailable"):
        nowhere.write(points(1))
