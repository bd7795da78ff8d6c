"""A pool that is only looked at: its engines' own numbers, and no word of a scaler."""

import pytest

from autoscaler.api.view import View
from dashboards.live.frame import Artist, Frame
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.telemetry import EngineSample
from tests.dashboards.synthetic import NOW_US, at, message, view, window_messages
from tests.dashboards.test_live_frame import words

EVERY_S = 15
SCRAPES = 16


def looked_at() -> View:
    """Two replicas scraped every 15 s for four minutes, one of them twice as slow."""
    made = View(shards=1, stages=("ingest", "watch"))
    pool = PoolStatus(
        pool="M", service="vLLM", model="org/M", at_us=NOW_US, desired=3, ready=2, failed=1
    )
    one = ReplicaStatus(pool="M", replica="a", state="ready", since_us=NOW_US, at_us=NOW_US)
    made.feed([message("pools", pool, "local/M"), message("pools", one, "local/M/a")])
    samples = [
        EngineSample(
            at_us=at(-EVERY_S * number), pool="M", replica=replica, running=3.0, waiting=1.0,
            output_tokens=1_500, inter_token_s=pace_s,
        )
        for number in range(SCRAPES, 0, -1)
        for replica, pace_s in (("a", 0.03), ("b", 0.06))
    ]  # fmt: skip
    made.feed(window_messages("engine", samples, NOW_US, interval_s=EVERY_S))
    return made


@pytest.fixture(scope="module")
def frame() -> Frame:
    return Artist().draw(looked_at(), NOW_US)


def test_the_headline_counts_what_engines_count(frame: Frame) -> None:
    said = words(frame.fragments["headline"])
    assert "2 replicas in 1 pool serve 200 tokens a second." in said
    assert not {"missed", "requests/s"} & set(said.split())


def test_nothing_is_wanted_or_asked_for_where_nobody_drives(frame: Frame) -> None:
    said = words(frame.fragments["card-local-M"])
    assert "2 answer 1 silent" in said
    assert "only looked at" in said
    assert not any(word in said for word in ("wanted", "at most", "Forecast", "shadow"))
    assert frame.driven == frozenset()


def test_requests_of_all_engines_are_one_curve(frame: Frame) -> None:
    load = frame.charts["demand-local-M"]
    running, waiting = ([n for n in load[name] if n is not None] for name in ("running", "waiting"))
    assert (set(running), set(waiting)) == ({6.0}, {2.0})
    assert (load["kind"], load["step"]) == ("load", EVERY_S * 1_000)


def test_a_latency_is_that_of_the_slowest_without_gaps_between_scrapes(frame: Frame) -> None:
    latency = frame.charts["latency0-local-M"]
    seen = latency["value"][-SCRAPES:]
    assert latency["title"] == "time between tokens, slowest replica"
    assert set(seen) == {0.06}


def test_a_small_curve_of_slow_scrapes_is_drawn_as_a_line(frame: Frame) -> None:
    assert frame.fragments["replicas-local-M"].count("L") > 4


def test_where_a_gateway_speaks_nothing_changes() -> None:
    frame = Artist().draw(view(), NOW_US)
    assert frame.driven == frozenset(frame.pools)
    assert "missed" in words(frame.fragments["headline"])
