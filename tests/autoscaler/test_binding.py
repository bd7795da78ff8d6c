import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.binding import Binding, binding
from autoscaler.plan import propose
from autoscaler.region import FACES, UNKNOWN, Limit, Mix, Region, mix_of, region_of
from autoscaler.situation import Situation

MIX = Mix(prompt=100, output=50, resident=125)


def told(**limits: float) -> Region:
    return Region(**{face: Limit(value=value, identified=True) for face, value in limits.items()})


def bound(region: Region, mix: Mix = MIX, *, service_s: float = 5.0) -> Binding:
    """Of eight slots, each asking for 20 prompt and 10 output tokens a second."""
    return binding(region, mix, slots=8, service_s=service_s)


@pytest.mark.parametrize(
    ("region", "slots", "face"),
    [
        pytest.param(UNKNOWN, 8, "", id="nothing-known"),
        pytest.param(told(decode_tokens_per_s=40), 4, "decode tokens/s", id="decode"),
        pytest.param(told(prefill_tokens_per_s=100), 5, "prefill tokens/s", id="prefill"),
        pytest.param(
            told(prefill_tokens_per_s=400, decode_tokens_per_s=80),
            1 / (20 / 400 + 10 / 80),
            "decode tokens/s",
            id="prefill-and-decode-share-the-time",
        ),
        pytest.param(told(kv_tokens=250), 2, "KV tokens", id="cache"),
        pytest.param(told(in_flight=3), 3, "requests in flight", id="in-flight"),
        pytest.param(told(in_flight=3, kv_tokens=250), 2, "KV tokens", id="the-tightest-binds"),
        pytest.param(told(decode_tokens_per_s=800), 8, "", id="slots-run-out-first"),
        pytest.param(told(decode_tokens_per_s=75), 8, "", id="as-tight-as-the-slots"),
        pytest.param(told(decode_tokens_per_s=1), 1, "decode tokens/s", id="one-always-fits"),
        pytest.param(told(kv_tokens=0), 8, "", id="no-room-at-all-cannot-be"),
        pytest.param(told(kv_tokens=math.nan), 8, "", id="no-number"),
        pytest.param(
            Region(decode_tokens_per_s=Limit(value=1)), 8, "", id="a-lower-bound-does-not-bind"
        ),
    ],
)
def test_the_face_nearest_its_limit_binds(region: Region, slots: float, face: str) -> None:
    found = bound(region)

    assert found.slots == pytest.approx(slots)
    assert found.face == face


def test_tokens_a_second_bind_nothing_while_serving_times_are_unknown() -> None:
    assert bound(told(decode_tokens_per_s=1, kv_tokens=500), service_s=0).face == "KV tokens"


def test_what_binds_is_told_with_its_numbers() -> None:
    sentence = "decode tokens/s bind: a replica carries 40 and full slots would ask for 80"

    assert str(bound(told(decode_tokens_per_s=40))) == sentence


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1e-300, 1e300])
limits = st.none() | st.builds(Limit, value=numbers, identified=st.booleans())
regions = st.builds(Region, **dict.fromkeys(FACES, limits))
tokens = st.floats(0, 1e9)
mixes = st.builds(Mix, prompt=tokens, output=tokens, resident=tokens)


@given(region=regions, mix=mixes, slots=st.integers(1, 4096), service_s=st.floats(0, 1e6))
def test_whatever_is_believed_a_replica_has_one_slot_and_no_more_than_it_has(
    region: Region, mix: Mix, slots: int, service_s: float
) -> None:
    assert 1 <= binding(region, mix, slots=slots, service_s=service_s).slots <= slots


@given(
    region=regions,
    mix=mixes,
    upper=st.floats(0, 1e6),
    in_flight=st.floats(0, 1e6),
    service_s=st.floats(0, 1e4),
)
def test_no_limit_takes_a_replica_away(
    region: Region, mix: Mix, upper: float, in_flight: float, service_s: float
) -> None:
    usual: dict[str, Any] = {"pool": "codex", "now_us": 0, "standing": 1, "ready": 1, "slots": 8}
    load: dict[str, Any] = {"demand": 1.0, "upper": upper, "in_flight": in_flight}
    plain = Situation(low=1, high=9, service_s=service_s, **usual, **load)

    assert propose(replace(plain, region=region, mix=mix)).desired >= propose(plain).desired


@given(region=regions, mix=mixes)
def test_a_region_and_a_mix_stand_in_the_inputs_of_a_decision(region: Region, mix: Mix) -> None:
    inputs: dict[str, Any] = {**region.numbers(), **mix.numbers(), "in_flight": 7.0}

    assert (str(region_of(inputs)), mix_of(inputs)) == (str(region), mix)


@given(own=regions, prior=regions)
def test_what_was_identified_here_stands_before_what_was_believed(
    own: Region, prior: Region
) -> None:
    merged = own.or_else(prior)

    for face in FACES:
        mine: Limit | None = getattr(own, face)
        if mine is not None and mine.identified:
            assert getattr(merged, face) is mine
