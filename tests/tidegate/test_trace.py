from itertools import islice, takewhile

import numpy as np
import pytest

from tidegate.demo.trace import Pace, PlannedRequest, plan


def ten_minutes(seed: int, pace: Pace | None = None) -> list[PlannedRequest]:
    return list(takewhile(lambda request: request.at_s < 600, plan(pace or Pace(), seed)))


def test_the_same_seed_gives_the_same_requests() -> None:
    assert ten_minutes(3) == ten_minutes(3) != ten_minutes(4)


def test_the_pace_is_kept_on_average() -> None:
    requests = ten_minutes(1)
    codex = [r for r in requests if r.service == "codex"]

    assert 0.8 < len(codex) / 600 < 1.2
    assert 0.07 < (len(requests) - len(codex)) / 600 < 0.17
    assert 9 < np.mean([r.output_tokens for r in codex]) < 14


def test_time_goes_forward_past_the_end_of_the_hour() -> None:
    times = [request.at_s for request in islice(plan(Pace(speed=600), 5), 2000)]

    assert times == sorted(times)
    assert times[-1] > 6


def test_half_the_pace_is_half_the_requests() -> None:
    whole, half = len(ten_minutes(2)), len(ten_minutes(2, Pace(codex_per_s=0.5, sora_per_s=0.06)))

    assert 0.4 < half / whole < 0.6


@pytest.mark.parametrize("seed", range(5))
def test_within_three_minutes_the_tide_comes_in_and_goes_out(seed: int) -> None:
    arrived = takewhile(lambda request: request.at_s < 180, plan(Pace(codex_per_s=10), seed))
    quarters = np.histogram([request.at_s for request in arrived], bins=12, range=(0, 180))[0]
    flood = int(np.argmax(quarters))

    assert quarters[flood] > 1.5 * quarters[0]
    assert quarters[flood] > 2 * quarters[flood:].min()


def test_without_a_tide_each_minute_is_like_the_next() -> None:
    even = [r.at_s for r in ten_minutes(1, Pace(codex_per_s=20, tide=0))]
    minutes = np.histogram(even, bins=10, range=(0, 600))[0]

    assert minutes.max() < 1.2 * minutes.min()
