from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.backtest.batched import Latencies, Service, requests_of, run, tokens_of
from autoscaler.backtest.contest import Static
from autoscaler.backtest.outcome import outcome
from autoscaler.backtest.policy import Shape
from autoscaler.backtest.run import Run
from autoscaler.backtest.slo import LatencySlo
from autoscaler.backtest.trace import Trace
from autoscaler.engine import Engine
from tests.autoscaler.backtest.plain_batching import played
from tests.autoscaler.backtest.test_run import Planned

STEADY = Engine(batch_s=((0, 0.1),), prompt_token_s=0.01, slots=2)


def trace(arrival_s: Any, prompt: Any, output: Any, seconds: int) -> Trace:
    return Trace(
        name="test",
        arrival_s=np.asarray(arrival_s, float),
        service_s=np.ones(len(arrival_s)),
        seconds=seconds,
        slots=2,
        prompt_tokens=np.asarray(prompt, np.int64),
        output_tokens=np.asarray(output, np.int64),
    )


def lived(
    of: Trace, engine: Engine = STEADY, first: int = 1, orders: Any = None, **slo: Any
) -> tuple[Run, Latencies]:
    shape = Shape(slots=engine.slots, cold_start_s=10, tick_s=1, age_s=1, patience_s=1e9)
    service = Service(engine=engine, slo=LatencySlo(**slo))
    return run(of, shape, service, lambda _: Planned(orders or {}), first)


def test_a_request_alone_waits_for_its_prompt_and_then_for_each_step() -> None:
    _, seen = lived(trace([1.0], [50], [5], 10))

    assert seen.ttft_s[0] == pytest.approx(0.1 + 0.5)
    assert seen.inter_token_s[0] == pytest.approx(0.1)


def test_a_whole_prompt_holds_up_the_answers_of_others() -> None:
    _, seen = lived(trace([1.0, 1.25], [10, 100], [12, 2], 10))

    assert seen.ttft_s == pytest.approx([0.2, 0.05 + 1.1])
    assert seen.inter_token_s[0] == pytest.approx((10 * 0.1 + 1.1) / 11)


def test_a_prompt_in_chunks_holds_them_up_less_and_takes_longer() -> None:
    chunked = Engine(batch_s=((0, 0.1),), prompt_token_s=0.01, slots=2, chunk_tokens=26)

    _, seen = lived(trace([1.0, 1.25], [10, 100], [4, 2], 10), chunked)

    assert seen.inter_token_s[0] == pytest.approx((0.1 + 0.35 + 0.35) / 3)
    assert seen.ttft_s[1] == pytest.approx(0.05 + 2 * 0.35 + 0.36 + 0.34)


def test_who_finds_no_slot_waits_until_one_is_free() -> None:
    _, seen = lived(trace([1.0, 1.0, 1.0], [10, 10, 10], [3, 3, 1], 10))

    assert seen.ttft_s == pytest.approx([0.2, 0.4, 0.7])


def test_who_finds_no_room_in_the_kv_cache_waits_and_who_never_can_is_refused() -> None:
    small = Engine(batch_s=((0, 0.1),), prompt_token_s=0.0, slots=2, kv_tokens=30)
    lives, seen = lived(trace([1.0, 1.0, 1.0], [20, 20, 40], [5, 5, 5], 10), small, ttft_s=1e6)

    assert seen.ttft_s == pytest.approx([0.1, 0.6, np.inf])
    assert lives.seconds.late.sum() == lives.missed[1] == 1


def test_a_prefix_in_the_cache_is_not_computed_again() -> None:
    service = Service(engine=STEADY, slo=LatencySlo(), prefix_hit_ratio=0.8)

    _, seen = run(
        trace([1.0], [50], [5], 10),
        Shape(slots=2, cold_start_s=1, tick_s=1),
        service,
        lambda _: Static(),
        1,
    )

    assert seen.ttft_s[0] == pytest.approx(0.1 + 0.1)


@pytest.mark.parametrize(
    ("slo", "missed"),
    [
        pytest.param({"ttft_s": 0.65}, 1, id="first-token"),
        pytest.param({"inter_token_s": 0.15}, 1, id="between-tokens"),
        pytest.param({"deadline_s": 1.2}, 2, id="to-the-last-token"),
        pytest.param({"ttft_s": 0.1, "inter_token_s": 0.01, "deadline_s": 0.1}, 2, id="once-each"),
        pytest.param({"ttft_s": 0.65, "ttft_token_s": 0.01}, 0, id="longer-for-long-prompts"),
        pytest.param({}, 0, id="nothing-promised"),
    ],
)
def test_a_request_that_breaks_what_was_promised_is_a_miss(
    slo: dict[str, Any], missed: int
) -> None:
    lives, _ = lived(trace([1.0, 1.25], [10, 100], [12, 2], 10), **slo)

    assert lives.missed.sum() == lives.seconds.late.sum() == missed


def test_who_still_waits_at_the_end_has_missed_too() -> None:
    lives, _ = lived(trace([1.0, 1.1, 9.0], [10, 5_000, 10], [2, 2, 2], 10), ttft_s=2.0)

    assert (lives.missed.sum(), lives.seconds.late.sum()) == (1, 0)


def test_a_new_replica_serves_after_its_cold_start_and_one_that_drains_finishes() -> None:
    of = trace([1.0, 1.1, 1.2], [10, 10, 10], [250, 250, 2], 40)

    lives, seen = lived(of, orders={2: 2, 20: 1})

    assert seen.ttft_s[2] == pytest.approx(12 - 1.2 + 0.2)
    assert lives.paid[[1, 2, 19, 20]].tolist() == [1, 2, 2, 1]


def columns(asked: list[tuple[float, int, int]]) -> tuple[Any, Any, Any]:
    arrival_s, prompt, output = zip(*sorted(asked), strict=True)
    return arrival_s, prompt, output


engines = st.builds(
    Engine,
    batch_s=st.tuples(*(st.tuples(st.just(n), st.floats(0.01, 0.2)) for n in (0, 1, 3))),
    prompt_token_s=st.floats(0, 0.01),
    resident_token_s=st.floats(0, 1e-4),
    slots=st.integers(1, 5),
    kv_tokens=st.integers(50, 2_000),
    chunk_tokens=st.integers(6, 300),
)
requests = st.lists(
    st.tuples(st.floats(0, 20), st.integers(1, 300), st.integers(1, 60)), min_size=1, max_size=25
)


@given(engine=engines, asked=requests, replicas=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_it_is_what_a_plain_loop_over_tokens_gives(
    engine: Engine, asked: list[tuple[float, int, int]], replicas: int
) -> None:
    of = trace(*columns(asked), 40)

    _, seen = lived(of, engine, replicas)

    tokens = [one.tokens_at for one in played(requests_of(of), engine, replicas, 40.0)]
    for at, one in enumerate(tokens):
        if one:
            assert seen.ttft_s[at] == pytest.approx(one[0] - of.arrival_s[at])
        else:
            assert not np.isfinite(seen.ttft_s[at])
        if len(one) == tokens_of(of)[1][at] > 1:
            assert seen.inter_token_s[at] == pytest.approx((one[-1] - one[0]) / (len(one) - 1))


@given(
    engine=engines, asked=requests, orders=st.dictionaries(st.integers(1, 39), st.integers(1, 4))
)
@settings(max_examples=60, deadline=None)
def test_every_request_is_served_or_counted_and_none_sooner_than_alone(
    engine: Engine, asked: list[tuple[float, int, int]], orders: dict[int, int]
) -> None:
    of = trace(*columns(asked), 4_000)

    lives, seen = lived(of, engine, 1, orders, ttft_s=1.0)

    served = np.isfinite(seen.ttft_s)
    assert len(asked) == lives.seconds.finished.sum() + np.isinf(seen.ttft_s).sum()
    assert lives.missed.sum() == lives.seconds.late.sum() == (seen.ttft_s > 1.0).sum()
    alone = min(engine.batches_s()) + engine.prompt_token_s * tokens_of(of)[0][served]
    assert np.all(seen.ttft_s[served] >= alone - 1e-6)
    assert not np.any(seen.inter_token_s < min(engine.batches_s()[1:]) - 1e-6)
    assert lives.seconds.in_flight[-1] == 0
    assert outcome(lives).requests <= len(asked)
