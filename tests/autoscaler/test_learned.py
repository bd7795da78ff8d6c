"""What the planner learned outlives a restart: decisions go on as if there had been none."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from autoscaler.plain import Plain
from autoscaler.planner import Planner
from autoscaler.pool_memory import PoolMemory
from autoscaler.settings import ScalingSettings
from model_backend.settings import BackendSettings
from streams.codec import encode_record
from streams.errors import SnapshotError
from streams.schemas.scaling import Decision, ReplicaStatus
from streams.stage import Tick
from streams.windows.table import Table
from tests.autoscaler.schedules.test_ahead import HUGE, launch
from tests.autoscaler.test_planner import tick
from tests.autoscaler.world import (
    ACTING,
    CODEX,
    at,
    decisions_of,
    engines_table,
    pool_status,
    requests_table,
)

SCALING = ACTING.model_copy(update={"schedules": (launch(times=2.0),), "scale_down_after_s": 25})


def planner(scaling: ScalingSettings = SCALING, **but: Any) -> Planner:
    return Planner(scaling, BackendSettings(pools=(HUGE.model_copy(update=but),)))


def busy(seconds: range, seed: int = 7) -> list[Tick]:
    """Restless demand, engines that tell, replicas that come and go, a status a second."""
    rng = np.random.default_rng(seed)
    return [tick(second + 1, *_second(second, rng)) for second in seconds]


def _second(second: int, rng: np.random.Generator) -> Sequence[msgspec.Struct | Table]:
    arrived = int(rng.poisson(3 + 2 * np.sin(second / 40)))
    ended = [(0.0, float(rng.uniform(1, 4))) for _ in range(arrived)]
    ready = 1 + second // 90 % 3
    name = f"codex-{second // 90}"
    return (
        pool_status(second, desired=ready, ready=ready),
        ReplicaStatus(
            pool="codex", replica=name, state="ready", since_us=at(second - second % 90),
            at_us=at(second), ordered_at_us=at(second - second % 90 - 20), slots=4,
            phases_s={"weights": 15.0, "warm_up": 5.0},
        ),
        requests_table(
            second, ended=ended, arrived=arrived, tokens=12 * arrived, prompt_tokens=90 * arrived,
            queued=float(rng.integers(0, 4)), in_flight=float(4 * ready),
        ),
        engines_table(
            second, name, running=4, waiting=1, prompt_tokens=90 * arrived,
            output_tokens=12 * arrived, kv_use_ratio=0.5, kv_capacity_tokens=4_000,
        ),
    )  # fmt: skip


def decided(one: Planner, ticks: Sequence[Tick]) -> list[bytes]:
    return [encode_record(decision) for t in ticks for decision in decisions_of(one.step(t))]


STOPS_S = (3, 61, 299, 333, 450)


class Run(NamedTuple):
    """Each second and what was decided in it; what was remembered before some of them."""

    ticks: list[Tick]
    told: list[list[bytes]]
    memories: dict[int, bytes]


@pytest.fixture(scope="module")
def undisturbed() -> Run:
    run, one = Run(busy(range(520)), [], {}), planner()
    for at_s, second in enumerate(run.ticks):
        if at_s in STOPS_S:
            run.memories[at_s] = one.remember()
        run.told.append(decided(one, [second]))
    return run


@pytest.mark.parametrize("at_s", STOPS_S)
def test_after_a_restart_decisions_are_those_of_a_run_without(undisturbed: Run, at_s: int) -> None:
    restarted, ticks, told = planner(), undisturbed.ticks, undisturbed.told

    assert restarted.recall(undisturbed.memories[at_s]) == []
    assert [decided(restarted, [second]) for second in ticks[at_s:]] == told[at_s:]
    assert any(told[:at_s])


def test_a_memory_that_is_recalled_is_the_same_memory() -> None:
    one, other = planner(), planner()
    decided(one, busy(range(400)))
    other.recall(one.remember())

    assert other.remember() == one.remember()


def test_without_it_decisions_would_be_others() -> None:
    ticks = busy(range(420))
    one = planner()
    decided(one, ticks[:400])

    assert decided(planner(), ticks[400:]) != decided(one, ticks[400:])


@pytest.mark.parametrize(
    ("but", "scaling"),
    [
        pytest.param({"slo_queue_s": 2.5}, SCALING, id="slo"),
        pytest.param({"model": "n"}, SCALING, id="model"),
        pytest.param({}, SCALING.model_copy(update={"miss_budget_ratio": 0.02}), id="budget"),
    ],
)
def test_what_was_learned_under_other_settings_is_learned_anew_and_said(
    but: dict[str, Any], scaling: ScalingSettings
) -> None:
    one, other = planner(), planner(scaling, **but)
    decided(one, busy(range(100)))
    why = "pool local/codex is learned anew: it was learned under other settings"

    assert other.recall(one.remember()) == [why]
    assert _service_s(other) == 0.0


def test_settings_that_mean_nothing_to_it_may_change() -> None:
    one, other = planner(), planner(max_replicas=9)
    decided(one, busy(range(100)))

    assert other.recall(one.remember()) == []
    assert _service_s(other) > 0


def test_pools_that_are_new_or_gone_do_no_harm() -> None:
    one = planner()
    decided(one, busy(range(60)))
    both = Planner(SCALING, BackendSettings(pools=(HUGE, CODEX.model_copy(update={"name": "b"}))))
    none = Planner(ACTING, BackendSettings(pools=()))

    assert both.recall(one.remember()) == none.recall(one.remember()) == []


@pytest.mark.parametrize("broken", [b"", b"\x80", b"\x01"], ids=["nothing", "empty", "a-number"])
def test_what_is_no_memory_is_refused_as_a_whole(broken: bytes) -> None:
    with pytest.raises(SnapshotError, match="memory of the planner"):
        planner().recall(broken)


def test_a_memory_of_another_version_says_what_differs() -> None:
    one = planner()
    decided(one, busy(range(60)))
    kept = msgspec.msgpack.decode(one.remember())
    del kept["pools"]["local/codex"]["memory"][2]["_told"]

    (why,) = planner().recall(msgspec.msgpack.encode(kept))
    assert why == (
        "pool local/codex is learned anew: autoscaler.pool_memory.PoolMemory has other attributes "
        "now: ['_told']"
    )


def test_only_what_is_known_here_is_made() -> None:
    one = planner()
    decided(one, busy(range(60)))
    kept = msgspec.msgpack.decode(one.remember())
    kept["pools"]["local/codex"]["memory"][2]["_told"] = ["object", "subprocess.Popen", {"args": 1}]

    (why,) = planner().recall(msgspec.msgpack.encode(kept))
    assert "is nothing that is known here" in why


@dataclass
class Held:
    """Whatever a learner may hold."""

    value: Any


PLAIN = Plain([Held(PoolMemory(HUGE, SCALING))], [Held])


@pytest.mark.parametrize(
    "value",
    [
        None,
        {("a", 1): deque([1.5, float("inf")], maxlen=9)},
        [(), frozenset({1}), {2}, Counter(a=2), b"x", True],
        np.arange(6, dtype=np.int64).reshape(2, 3),
    ],
    ids=["nothing", "containers", "more", "array"],
)
def test_values_come_back_as_they_were(value: object) -> None:
    back = Held(None)
    PLAIN.fill(back, msgspec.msgpack.decode(msgspec.msgpack.encode(PLAIN.plain(Held(value)))))

    assert repr(back.value) == repr(value)
    assert type(back.value) is type(value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "builtins.object is not known"),
        ([Held(1)] * 2, "is held in two places"),
        (lambda: 1, "builtins.function is not known"),
    ],
)
def test_what_cannot_be_kept_is_refused(value: object, why: str) -> None:
    with pytest.raises(SnapshotError, match=why):
        PLAIN.plain(Held(value))


def _service_s(one: Planner) -> float:
    (decision,) = decisions_of(one.step(tick(1_000, pool_status(999))))
    assert isinstance(decision, Decision)
    return decision.inputs["service_s"]
