"""Samples as engines give them through the chain of a first look: quiet where nothing is wrong."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from detectors.panel import Panel
from detectors.settings import DetectionSettings
from detectors.watch import KINDS
from streams.clock import SECOND_US
from streams.codec import decode_record
from streams.schemas.incidents import Incident
from streams.schemas.telemetry import EngineSample
from tidegate.settings import Settings
from tidegate.watch.detection import FIRST_LOOK
from tidegate.watch.live import Live, settings_for
from tidegate.watch.understood import Watched

START_US = 1_767_268_800 * SECOND_US
REPLICAS = ("a", "b", "c")


class Past:
    """A feed that has nothing but its measures."""

    watched: Sequence[Watched] = ()
    lateness_s = 7.0
    behind_us = 0

    def __init__(self, interval_s: int) -> None:
        self.interval_s = interval_s


def samples(
    interval_s: int, minutes: int, slower: Callable[[str, float], float], seed: int = 1
) -> Iterator[EngineSample]:
    """Noisy replicas under unequal load; ``slower``: replica, minute -> how many times."""
    rng = np.random.default_rng(seed)
    for number in range(minutes * 60 // interval_s):
        for place, replica in enumerate(REPLICAS):
            at_us = START_US + number * interval_s * SECOND_US + place * SECOND_US // 3
            noise = float(rng.lognormal(0, 0.15)) * slower(replica, number * interval_s / 60)
            yield EngineSample(
                at_us=at_us, pool="M", replica=replica, interval_s=float(interval_s), up=1.0,
                scrape_s=0.01, running=float(rng.integers(1, 9)), waiting=0.0, output_tokens=900,
                finished=9, inter_token_s=0.03 * noise, ttft_s=0.2 * noise,
            )  # fmt: skip


def incidents(
    interval_s: int, minutes: int, slower: Callable[[str, float], float]
) -> dict[str, Incident]:
    live = Live(settings_for(Settings(), Past(interval_s)))  # type: ignore[arg-type]
    live.take(samples(interval_s, minutes, slower))
    told = [one for one in live.through() if one.topic == "incidents"]
    found = (decode_record(one.value or b"", Incident) for one in told)
    return {one.subject.name: one for one in found}


def test_every_detector_of_a_first_look_can_be_built() -> None:
    for kind in KINDS:
        Panel(kind, DetectionSettings(detectors=FIRST_LOOK), interval_us=SECOND_US)


@pytest.mark.slow
@pytest.mark.parametrize(("interval_s", "minutes"), [(1, 5), (15, 120), (60, 240)])
def test_nothing_is_found_where_nothing_is_wrong(interval_s: int, minutes: int) -> None:
    assert incidents(interval_s, minutes, lambda _replica, _minute: 1.0) == {}


@pytest.mark.slow
@pytest.mark.parametrize(("interval_s", "minutes"), [(1, 2), (15, 20), (60, 60)])
def test_who_was_slow_from_the_first_look_on_is_named(interval_s: int, minutes: int) -> None:
    found = incidents(interval_s, minutes, lambda replica, _: 4.0 if replica == "b" else 1.0)
    assert {(name, one.causes[0].kind) for name, one in found.items()} == {("b", "replica_slow")}
    assert "of its fellows" in found["b"].causes[0].sentence


@pytest.mark.slow
@pytest.mark.parametrize(("interval_s", "minutes"), [(1, 3), (15, 40), (60, 120)])
def test_who_grows_slow_is_named(interval_s: int, minutes: int) -> None:
    half = minutes / 2
    found = incidents(
        interval_s,
        minutes,
        lambda replica, minute: 4.0 if replica == "b" and minute >= half else 1.0,
    )
    assert set(found) == {"b"}
    assert found["b"].state == "open"


def test_records_that_come_after_their_time_are_taken_where_the_clock_stands() -> None:
    live = Live(settings_for(Settings(), Past(1)))  # type: ignore[arg-type]
    live.until(START_US + 10 * SECOND_US)
    live.take([EngineSample(at_us=START_US, pool="M", replica="a", up=1.0)])
    live.until(START_US + 11 * SECOND_US)
    assert live.known_us == SECOND_US


@pytest.mark.slow
def test_an_engine_that_was_started_anew_before_it_got_slow_is_asked_about_that_too() -> None:
    live = Live(settings_for(Settings(), Past(1)))  # type: ignore[arg-type]
    second = range(START_US + 300 * SECOND_US, START_US + 301 * SECOND_US)
    slow = samples(1, 7, lambda name, minute: 5.0 if (name == "b" and minute >= 5.05) else 1.0)
    live.take(
        one.but(engine="vllm", restarts=int(one.replica == "b" and one.at_us in second))
        for one in slow
    )
    told = [one for one in live.through() if one.topic == "incidents"]

    found = [decode_record(one.value or b"", Incident) for one in told]
    said = [cause.sentence for one in found for cause in one.causes if cause.kind == "change"]
    assert said[0].startswith("b was started anew and loaded its model, ")
