from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from autoscaler.knee import BLOCK_S, Knee
from autoscaler.region import UNKNOWN, Limit, Region
from autoscaler.replica_seconds import ReplicaSecond
from tests.autoscaler.world import at

SLOTS = 4
Did = Callable[[int], Sequence[dict[str, Any]]]
"""What each replica did in a second."""


def learned(did: Did, *, blocks: int = 30, trusted: bool = True, earlier: Region = UNKNOWN) -> Knee:
    knee = Knee(earlier)
    for second in range(blocks * BLOCK_S):
        rows = [
            ReplicaSecond(window_us=at(second), replica=f"codex-{n}", **one)
            for n, one in enumerate(did(second))
        ]
        knee.see(rows, SLOTS, trusted=trusted)
    return knee


def seen(did: Did, **but: Any) -> Region:
    return learned(did, **but).region(at(300))


def full(_: int) -> Sequence[dict[str, Any]]:
    return [{"running": 4, "output_tokens": 12, "prompt_tokens": 60}]


def half(_: int) -> Sequence[dict[str, Any]]:
    return [{"running": 2, "output_tokens": 6, "prompt_tokens": 30}]


def test_a_full_replica_shows_its_limit() -> None:
    region = seen(full)

    assert region.decode_tokens_per_s == Limit(value=12.0, identified=True)
    assert region.prefill_tokens_per_s == Limit(value=60.0)


def test_a_scaler_that_succeeds_sees_a_lower_bound() -> None:
    assert seen(half).decode_tokens_per_s == Limit(value=6.0)


def test_where_the_mix_varies_prefill_has_its_own_price() -> None:
    def varied(second: int) -> Sequence[dict[str, Any]]:
        prompt = 400 * (second // 40 % 3)
        return [{"running": 4, "prompt_tokens": prompt, "output_tokens": 50 - prompt // 20}]

    region = seen(varied)

    assert region.value("decode_tokens_per_s") == pytest.approx(50)
    assert region.value("prefill_tokens_per_s") == pytest.approx(1_000)


def test_a_prefill_pool_is_known_by_prefill() -> None:
    region = seen(lambda _: [{"running": 4, "prompt_tokens": 900}])

    assert region.prefill_tokens_per_s == Limit(value=900.0, identified=True)


def test_requests_that_wait_inside_show_how_many_fit() -> None:
    region = seen(lambda _: [{"running": 3, "waiting": 2, "output_tokens": 9}])

    assert region.in_flight == Limit(value=3.0, identified=True)


def test_the_engine_tells_the_room_of_its_cache() -> None:
    assert seen(lambda _: [{"running": 1, "kv_capacity_tokens": 4096.0}]).value("kv_tokens") == 4096


@pytest.mark.parametrize(
    "did",
    [
        pytest.param(lambda _: [{"running": 4}], id="full-and-nothing-comes-of-it"),
        pytest.param(
            lambda s: [
                {"running": 1, "output_tokens": 20},
                {"running": 1, "output_tokens": 20},
                {"running": 9, "waiting": 9, "output_tokens": 2 + s % 2},
            ],
            id="one-of-three-says-that-it-is-full",
        ),
        pytest.param(
            lambda s: [{"running": 4 if s < 50 else 1, "output_tokens": 12}], id="not-long-enough"
        ),
    ],
)
def test_what_does_not_show_a_limit(did: Did) -> None:
    assert seen(did).value("decode_tokens_per_s") == float("inf")


def test_a_replica_that_is_slow_alone_does_not_make_the_limit() -> None:
    def one_slow(_: int) -> Sequence[dict[str, Any]]:
        return [{"running": 4, "output_tokens": tokens} for tokens in (12, 2, 12)]

    assert seen(one_slow).value("decode_tokens_per_s") == 12


def test_nothing_is_learned_from_what_is_not_trusted() -> None:
    assert seen(full, trusted=False) == UNKNOWN


def test_a_doubtful_second_spoils_its_block() -> None:
    knee = learned(full, blocks=2)
    knee.see([ReplicaSecond(window_us=at(20), replica="codex-0")], SLOTS, trusted=False)
    for second in range(21, 40):
        row = ReplicaSecond(
            window_us=at(second),
            replica="codex-0",
            running=4,
            output_tokens=999 if second < 30 else 12,
        )
        knee.see([row], SLOTS, trusted=True)

    assert knee.region(at(40)).decode_tokens_per_s == Limit(value=12.0)


def test_replicas_that_come_and_go_do_less_than_they_can() -> None:
    knee = Knee()
    for second in range(300):
        if second % 20 >= 7:  # each is there for a part of a block and for one whole
            row = ReplicaSecond(
                window_us=at(second), replica=f"codex-{second // 20}", running=4, output_tokens=12
            )
            knee.see([row], SLOTS, trusted=True)

    assert knee.region(at(300)).value("decode_tokens_per_s") == 12


def test_what_was_seen_long_ago_is_a_lower_bound() -> None:
    assert learned(full).region(at(2 * 86_400)).decode_tokens_per_s == Limit(value=12.0)


def test_the_limit_of_an_earlier_engine_stands_until_there_is_a_new_one() -> None:
    earlier = Region(decode_tokens_per_s=Limit(value=9.0, identified=True))

    assert seen(half, earlier=earlier).value("decode_tokens_per_s") == 9
    assert seen(full, earlier=earlier).value("decode_tokens_per_s") == 12


def test_pages_read_every_five_seconds_tell_the_same() -> None:
    def rarely(second: int) -> Sequence[dict[str, Any]]:
        return [{"running": 4, "output_tokens": 60}] if second % 5 == 0 else []

    assert seen(rarely).value("decode_tokens_per_s") == 12


def test_noise_does_not_make_prefill_look_dear() -> None:
    rng = np.random.default_rng(1)

    def bursts(_: int) -> Sequence[dict[str, Any]]:
        speed = rng.uniform(0.7, 1.3)  # of the whole engine, as on a shared machine
        prompt = round(300 * speed * rng.poisson(0.4))
        return [{"running": 4, "output_tokens": round(40 * speed), "prompt_tokens": prompt}]

    assert seen(bursts, blocks=200).value("decode_tokens_per_s") == pytest.approx(40, rel=0.1)
