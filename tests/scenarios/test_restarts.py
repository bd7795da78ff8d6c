"""Traffic through the real chain in one go, and stopped, written down and taken up anywhere."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.stage import WatchHandler
from detectors.watch import Watch
from streams.packing import pack
from streams.schemas.telemetry import Change, GpuSample
from streams.snapshots import Taken, snapshot_of, state_of
from streams.stage import Out
from tests.scenarios.chain import Chain, anomalies_of, new_watch
from tests.scenarios.pool_simulation import PoolSimulation, Second, traced_arrivals
from tests.scenarios.test_detection import breathe

FAULTS_EVERY_S = 60


def eventful(seconds: int, seed: int = 5) -> Chain:
    """A pool that breathes, with every kind of trouble in turn, and a GPU with errors."""
    pool, chain = PoolSimulation(seed), Chain()
    for at_s, tokens in enumerate(traced_arrivals(seed, seconds)):
        breathe(pool, at_s)
        times = trouble(pool, at_s)
        second = pool.step([one for one in tokens for _ in range(times)])
        second.gpu.append(gpu(pool, at_s))
        second.changes.extend(deployed(pool, at_s))
        chain.step(second, pool.now_us)
    return chain


def trouble(pool: PoolSimulation, at_s: int) -> int:
    """Each fault lasts a quarter of a minute; returns how often each request is sent."""
    fault, since_s = at_s // FAULTS_EVERY_S % 4, at_s % FAULTS_EVERY_S - 35
    on = 0 <= since_s < 15
    pool.flood = "elm" if on and fault == 1 else ""
    for one in pool.replicas[:1]:
        one.frozen = on and fault == 2
        one.extra_s = 0.6 if on and fault == 3 else 0.0
    return 4 if on and fault == 0 else 1


def gpu(pool: PoolSimulation, at_s: int) -> GpuSample:
    return GpuSample(
        at_us=pool.now_us - 1,
        node="node-1",
        gpu_uuid="GPU-1",
        temperature_c=60.0,
        xid=79 if at_s % 200 == 150 else 0,
    )


def deployed(pool: PoolSimulation, at_s: int) -> Iterator[Change]:
    if at_s % 100 == 75:
        yield pool._made("deployed", "")


def restarted(watch: Watch, offset: int) -> Watch:
    """What another process makes of the state: nothing but bytes passes between the two."""
    taken = Taken(
        offset=offset, last_offset=offset - 1, last_at_us=0, partition=0, meaning="", code=""
    )
    snapshot = snapshot_of(WatchHandler(watch).save(), taken, chunk_bytes=16_384)
    successor = new_watch()
    WatchHandler(successor).load(state_of(snapshot.manifest, snapshot.chunks))
    return successor


def undisturbed(chain: Chain) -> tuple[list[Out], bytes]:
    watch = new_watch()
    return watch.step(chain.log), pack(watch.state)


def with_restarts(chain: Chain, stops: Sequence[tuple[int, int]]) -> tuple[list[Out], bytes]:
    """Outputs and the state in the end.

    Stopped before each message of ``stops``; the snapshot was taken so many messages earlier.
    """
    watch, out, done = new_watch(), list[Out](), 0
    for stop, age in sorted(stops):
        taken_at = max(done, stop - age)
        out += watch.step(chain.log[done:taken_at])
        successor = restarted(watch, taken_at)
        out += watch.step(chain.log[taken_at:stop])
        successor.step(chain.log[taken_at:stop])  # replayed in silence
        watch, done = successor, stop
    out += watch.step(chain.log[done:])
    return out, pack(watch.state)


@pytest.fixture(scope="module")
def minutes() -> Chain:
    return eventful(4 * FAULTS_EVERY_S + 20)


@pytest.fixture(scope="module")
def expected(minutes: Chain) -> tuple[list[Out], bytes]:
    return undisturbed(minutes)


def test_the_scenario_has_something_to_say(minutes: Chain) -> None:
    found = {feature for feature, _, _ in minutes.found()}
    assert found >= {"request.arrived_per_s", "request.rejected_per_s", "engine.up_min"}
    assert any(one.ended_at_us for told in minutes.told for one in anomalies_of(told))


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_wherever_it_is_stopped_the_outputs_are_the_same_bytes(
    minutes: Chain, expected: tuple[list[Out], bytes], data: st.DataObject
) -> None:
    place = st.integers(0, len(minutes.log))
    stops = data.draw(st.lists(st.tuples(place, st.integers(0, 200)), min_size=1, max_size=4))
    assert with_restarts(minutes, stops) == expected


@pytest.mark.slow
def test_ten_minutes_with_a_restart_every_twenty_seconds_give_the_same_bytes() -> None:
    chain = eventful(600)
    stops = [(stop, 37 * stop % 80) for stop in range(100, len(chain.log), 81)]
    assert with_restarts(chain, stops) == undisturbed(chain)


def test_a_second_of_nothing_is_a_state_too() -> None:
    chain = Chain()
    chain.step(Second(), PoolSimulation(0).now_us)
    assert with_restarts(chain, [(0, 0), (1, 1), (2, 2), (4, 0)]) == undisturbed(chain)
