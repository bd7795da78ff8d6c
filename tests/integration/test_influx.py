"""The InfluxDB sink and every query of the dashboards against a real InfluxDB."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from streams.errors import SinkUnavailableError
from streams.settings import InfluxSettings
from streams.sinks.base import Point
from streams.sinks.influxdb import InfluxSink
from streams.sinks.stage import message_points
from tests.dashboards.queries import filled_in, queries
from tests.dashboards.synthetic import NOW_US, story
from tests.services import Influx

pytestmark = pytest.mark.influx

SINCE_US = NOW_US - 1_200_000_000


def sink(influx: Influx, token: str = "") -> InfluxSink:
    return InfluxSink(
        InfluxSettings(
            url=influx.url,
            token=token or f"{influx.user}:{influx.password}",
            bucket=f"{influx.database}/autogen",
        )
    )


def rows(influx: Influx, query: str) -> list[list[Any]]:
    answer = json.loads(influx.query(query))["results"][0]
    assert "error" not in answer, answer
    return [row for one in answer.get("series", ()) for row in one["values"]]


@pytest.fixture(scope="module")
def filled(influx: Influx) -> Influx:
    points = [point for message in story() for point in message_points(message)]
    for _ in range(2):  # again does no harm
        assert not sink(influx).write(points)
    return influx


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_every_query_of_the_dashboards_finds_rows(filled: Influx, query: str) -> None:
    found = rows(filled, filled_in(query, SINCE_US, NOW_US + 1_000_000))
    seen = [value for row in found for value in row[1:] if value is not None]
    assert seen, query


def test_writing_twice_is_writing_once(filled: Influx) -> None:
    query = 'SELECT count("up_min") FROM "window_engine" WHERE "replica" = \'codex-1\''
    assert rows(filled, query)[0][1] == 600


def test_one_bad_point_does_not_take_the_others_along(influx: Influx) -> None:
    def point(at_us: int, value: float | str) -> Point:
        return Point(measurement="typed", at_us=at_us, tags={}, fields={"value": value})

    assert not sink(influx).write([point(1, 1.0)])
    bad = sink(influx).write([point(2, 2.0), point(3, "three"), point(4, 4.0)])
    assert [one.point.at_us for one in bad] == [3]
    assert "field type conflict" in bad[0].reason
    assert [row[1] for row in rows(influx, 'SELECT "value" FROM "typed"')] == [1.0, 2.0, 4.0]


def test_awkward_text_survives(influx: Influx) -> None:
    awkward = 'say "no", a=b\\ and 5 µs'
    point = Point(
        measurement="text", at_us=1, tags={"pool": "so,ra = x"}, fields={"why": awkward, "n": 1}
    )
    assert not sink(influx).write([point])
    assert rows(influx, 'SELECT "why", "pool" FROM "text"') == [_row(awkward, "so,ra = x")]


def _row(*values: str) -> Sequence[str]:
    return ["1970-01-01T00:00:00.000001Z", *values]


@pytest.mark.parametrize(
    "token", [pytest.param("tidegate:wrong", id="password"), pytest.param("nobody:x", id="user")]
)
def test_wrong_credentials_are_told_without_them(influx: Influx, token: str) -> None:
    point = Point(measurement="m", at_us=1, tags={}, fields={"x": 1.0})
    with pytest.raises(SinkUnavailableError, match="HTTP 401") as failure:
        sink(influx, token).write([point])
    assert token not in str(failure.value)
    assert failure.value.retry_after_s == 30.0


def test_a_bucket_that_is_not_there_is_told(influx: Influx) -> None:
    settings = InfluxSettings(
        url=influx.url, token=f"{influx.user}:{influx.password}", bucket="nowhere/autogen"
    )
    with pytest.raises(SinkUnavailableError, match="HTTP 404"):
        InfluxSink(settings).write([Point(measurement="m", at_us=1, tags={}, fields={"x": 1.0})])
