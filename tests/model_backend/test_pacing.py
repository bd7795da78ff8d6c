"""Tokens of a stream leave a capped replica one by one."""

import math

import pytest

from model_backend.replicas.pacing import Pacer
from streams.errors import InvalidParameterError


def test_the_cap_holds_over_any_number_of_tokens() -> None:
    pacer = Pacer(tokens_per_s=12, burst_s=0.25)

    leaves = [pacer.reserve(100.0) for _ in range(1 + 12 * 10)]

    assert leaves[-1] - leaves[0] == pytest.approx(10 - 0.25)


def test_a_stream_has_its_own_pace_whatever_the_others_take() -> None:
    replica = Pacer(tokens_per_s=3)
    replica.extra_s = 0.5
    busy, fresh = replica.for_stream(), replica.for_stream()
    for _ in range(5):
        busy.reserve(0.0)

    assert fresh.reserve(0.0) == 0.0
    assert fresh.reserve(0.0) == pytest.approx(1 / 3 + 0.5)


def test_unused_time_is_kept_for_no_longer_than_the_burst() -> None:
    pacer = Pacer(tokens_per_s=10, burst_s=0.2)
    pacer.reserve(0.0)

    assert [round(pacer.reserve(60.0) - 60, 3) for _ in range(4)] == [0, 0, 0, 0.1]


def test_without_a_cap_nothing_waits() -> None:
    pacer = Pacer(tokens_per_s=0)

    assert [pacer.reserve(3.0) for _ in range(100)] == [3.0] * 100


def test_a_leak_of_latency_slows_every_token() -> None:
    pacer = Pacer(tokens_per_s=10)
    pacer.extra_s = 0.1

    assert [round(pacer.reserve(0.0), 3) for _ in range(3)] == [0, 0.2, 0.4]


@pytest.mark.parametrize("wrong", [-1.0, math.inf, math.nan])
def test_a_cap_that_is_no_rate_is_refused(wrong: float) -> None:
    with pytest.raises(InvalidParameterError, match="cap_tokens_per_s must be 0"):
        Pacer(tokens_per_s=wrong)


@pytest.mark.parametrize("wrong", [-0.1, 61.0, math.nan])
def test_a_leak_that_is_no_delay_is_refused(wrong: float) -> None:
    with pytest.raises(InvalidParameterError, match="extra_s_per_token must be from 0 to 60 s"):
        Pacer(tokens_per_s=1).extra_s = wrong
