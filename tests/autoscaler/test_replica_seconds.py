from typing import Any

import pytest

from autoscaler.replica_seconds import ReplicaSecond, replica_seconds
from tests.autoscaler.world import at, engines_table
from tests.streams.samples import engines


def test_a_window_says_what_each_replica_did() -> None:
    table = engines_table(
        7,
        running=3,
        waiting=5,
        deferred=4,
        kv_use_ratio=0.25,
        kv_capacity_tokens=4_000,
        ttft_s=0.5,
        prompt_tokens=90,
        cached_tokens=30,
        output_tokens=12,
    )

    assert replica_seconds(table, {("local", "codex")}) == {
        ("local", "codex"): [
            ReplicaSecond(
                window_us=at(7),
                replica="codex-1",
                prompt_tokens=60,
                output_tokens=12,
                running=3,
                waiting=1,
                kv_tokens=1_000,
                kv_capacity_tokens=4_000,
                ttft_s=0.5,
            )
        ]
    }


def test_a_replica_whose_engine_says_nothing_is_left_out() -> None:
    assert replica_seconds(engines_table(7, up=1), {("local", "codex")}) == {}


def test_pools_of_others_are_left_out() -> None:
    assert replica_seconds(engines_table(7, running=1), set()) == {}


@pytest.mark.parametrize(
    ("said", "build"),
    [
        pytest.param({}, "", id="nothing"),
        pytest.param({"engine": "vllm", "model": "b,a"}, "", id="not-asked-for-its-version-yet"),
        pytest.param(
            {"engine": "vllm", "version": "0.9", "model": "b,a"}, "vllm 0.9 a b", id="all-of-it"
        ),
    ],
)
def test_a_window_says_what_a_replica_ran(said: dict[str, Any], build: str) -> None:
    table = engines("codex-1", running=1, **said)

    [second] = replica_seconds(table, {("local", "codex")})["local", "codex"]

    assert second.build == build
