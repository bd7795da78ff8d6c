"""The planner's ticks: what it takes in, when it decides, what it keeps."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from autoscaler.decide import decide_again, repeats
from autoscaler.planner import Planner
from autoscaler.region import UNKNOWN, Region, region_of
from autoscaler.region_settings import CapacitySettings
from model_backend.settings import BackendSettings, PoolSettings
from streams.codec import encode_record
from streams.schemas.incidents import Audit, Cause, Command, Incident, Rule, Subject
from streams.schemas.scaling import Decision, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.stage import Arrival, Out, Outcome, Tick
from streams.windows.table import Table
from tests.autoscaler.world import (
    ACTING,
    CODEX,
    at,
    decisions_of,
    engines_table,
    pool_status,
    requests_table,
)

BACKEND = BackendSettings(pools=(CODEX, PoolSettings(name="sora", service="sora", model="v")))


def planner(**but: Any) -> Planner:
    return Planner(ACTING.model_copy(update=but), BACKEND)


def tick(second: int, *records: msgspec.Struct | Table, stalled: bool = False) -> Tick:
    arrivals = [
        Arrival(at_us=at(second), id=str(number), topic="any", record=record)
        for number, record in enumerate(records)
    ]
    return Tick(now_us=at(second), arrivals=arrivals, stalled=stalled)


def busy(second: int, **but: Any) -> Table:
    """A second in which one request came and one ended after four seconds; four are in flight."""
    usual: dict[str, Any] = {"ended": [(0.0, 4.0)], "arrived": 1, "in_flight": 4, "queued": 0}
    return requests_table(second, **(usual | but))


def run(one: Planner, seconds: Sequence[int], **but: Any) -> list[Decision]:
    """A status and a busy second each; the decisions made."""
    return [
        decision
        for second in seconds
        for decision in decisions_of(
            one.step(tick(second + 1, pool_status(second), busy(second, **but)))
        )
    ]


def override(number: int = 1, **but: Any) -> Command:
    usual: dict[str, Any] = {
        "id": f"c{number}",
        "at_us": at(number),
        "kind": "override",
        "actor": "ann",
        "pool": "codex",
        "replicas": 3,
    }
    return Command(**(usual | but))


def sent(outcome: Outcome, kind: type[msgspec.Struct]) -> list[Out]:
    return [out for out in outcome.out if isinstance(out.value, kind)]


def test_it_decides_every_second_once_the_driver_has_spoken() -> None:
    one = planner()
    assert decisions_of(one.step(tick(0, busy(0)))) == []

    decided = run(one, range(1, 9))
    assert [decision.at_us for decision in decided] == [at(s) for s in range(2, 10)]


def test_a_decision_is_published_under_its_pool() -> None:
    out = sent(planner().step(tick(2, pool_status(1))), Decision)

    assert [(one.topic, one.key) for one in out] == [("decisions", "local/codex")]


def test_pools_of_others_are_left_alone() -> None:
    assert planner().step(tick(2, pool_status(1, pool="stranger"))).out == []


def test_the_same_ticks_give_the_same_decisions() -> None:
    assert run(planner(), range(60)) == run(planner(), range(60))


def test_every_decision_repeats_from_its_inputs() -> None:
    decided = run(planner(), range(120), queued=2)

    assert all(repeats(encode_record(one)) for one in decided)


def test_load_that_does_not_fit_orders_replicas() -> None:
    assert run(planner(), range(20), queued=3)[-1].desired > 1


def test_serving_times_are_learned() -> None:
    last = run(planner(), range(60))[-1]

    assert last.inputs["service_s"] == pytest.approx(4.0, rel=0.05)
    assert last.capacity_identified
    assert last.demand == pytest.approx(4.0, rel=0.1)


def test_nothing_is_learned_of_serving_times_while_figures_are_doubtful() -> None:
    one = planner()
    doubt = Incident(
        id="INC-1",
        state="open",
        severity="warning",
        cluster="local",
        pool="codex",
        subject=Subject(kind="pool", name="codex"),
        title="t",
        started_at_us=at(0),
        opened_at_us=at(0),
        updated_at_us=at(0),
        causes=(),
        trust_hurt=True,
    )
    one.step(tick(0, doubt))

    assert run(one, range(20))[-1].inputs["service_s"] == 0


def test_a_stalled_stream_holds_the_size() -> None:
    one = planner()
    run(one, range(100), arrived=0, in_flight=0, ended=[])
    decisions = decisions_of(
        one.step(tick(102, pool_status(101, desired=3, ready=3), stalled=True))
    )

    assert decisions[0].desired == 3
    assert "the stream of windows stands still" in decisions[0].reason


def test_without_figures_of_the_pool_nothing_is_taken_away() -> None:
    one = planner()
    run(one, range(100), arrived=0, in_flight=0, ended=[])
    decisions = decisions_of(one.step(tick(110, pool_status(109, desired=3, ready=3))))

    assert decisions[0].desired == 3
    assert "10 s old" in decisions[0].reason


def test_misses_of_an_interval_are_counted_once() -> None:
    one = planner()
    first = run(one, range(1, 3), ended=[(5.0, 1.0)], failed=1)
    rest = run(one, range(3, 7))

    assert sum(decision.missed for decision in (*first, *rest)) == 4


def test_an_override_is_carried_out_and_kept() -> None:
    one = planner()
    outcome = one.step(tick(2, pool_status(1), override()))

    assert decisions_of(outcome)[0].desired == 3
    assert [out.key for out in sent(outcome, Rule)] == ["order:local/codex"]
    assert outcome.state.keys() == {"rule/order:local/codex", "commands"}


def test_an_override_outlives_a_restart() -> None:
    state = planner().step(tick(2, pool_status(1), override())).state
    after = planner()
    after.restore({key: value for key, value in state.items() if value is not None})

    assert decisions_of(after.step(tick(4, pool_status(3))))[0].desired == 3


def test_an_override_ends_when_it_expires() -> None:
    one = planner()
    one.step(tick(2, pool_status(1), override(expires_at_us=at(10))))
    outcome = one.step(tick(12, pool_status(11, desired=3, ready=3)))

    assert [out.value.ended for out in sent(outcome, Rule) if isinstance(out.value, Rule)] == [True]
    assert "ann" not in decisions_of(outcome)[0].reason


def test_what_cannot_be_carried_out_is_told() -> None:
    outcome = planner().step(tick(1, pool_status(0), override(replicas=9)))

    assert [out.topic for out in sent(outcome, Audit)] == ["audit"]
    assert outcome.state.keys() == {"commands"}


def test_quiet_ticks_keep_nothing() -> None:
    assert planner().step(tick(1, pool_status(0))).state == {}


def started(name: str, state: str, second: int) -> ReplicaStatus:
    return ReplicaStatus(
        pool="codex",
        replica=name,
        state=state,  # type: ignore[arg-type]
        since_us=at(second),
        at_us=at(second),
        ordered_at_us=at(0),
    )


def test_replicas_that_fail_to_start_stop_growth() -> None:
    one = planner()
    for name in ("codex-1", "codex-2"):
        one.step(tick(1, started(name, "starting", 0)))
        one.step(tick(2, started(name, "failed", 1)))
    last = run(one, range(3, 20), queued=6)[-1]

    assert (last.proposed, last.desired) == (2, 1)


def test_the_horizon_is_the_learned_lead_time() -> None:
    one = planner()
    one.step(tick(1, started("codex-1", "ready", 20)))
    forecast = run(one, range(2, 6))[-1].forecast

    assert forecast is not None
    assert forecast.horizon_s == 24.0


def test_replicas_ordered_count_against_the_budget_of_the_hour() -> None:
    one = planner(gpus_per_hour=1)
    last = run(one, range(20), queued=9)[-1]

    assert (last.proposed, last.desired) == (3, 1)
    assert "1 of 1 GPUs an hour are ordered already" in last.reason


def early(second: int, held: float) -> Arrival:
    table = requests_table(second, in_flight=held, queued=0.0)
    return Arrival(at_us=at(second), id="e", topic="partials", record=table, early=True)


@pytest.mark.parametrize(
    ("glimpsed", "desired"),
    [
        pytest.param([early(103, 12)], 3, id="raises"),
        pytest.param([early(102, 12), early(103, 5)], 2, id="the-newest-counts"),
        pytest.param([early(103, 0)], 1, id="never-lowers"),
        pytest.param([early(90, 12)], 1, id="unless-final-windows-know-better"),
    ],
)
def test_while_windows_stall_what_is_glimpsed(glimpsed: Sequence[Arrival], desired: int) -> None:
    one = planner()
    for second in range(90, 100):
        one.step(tick(second, pool_status(second), requests_table(second, in_flight=1, queued=0)))

    stalled = tick(102, pool_status(101), stalled=True)
    arrivals = (*stalled.arrivals, *glimpsed)
    found = decisions_of(one.step(Tick(now_us=stalled.now_us, arrivals=arrivals, stalled=True)))

    assert [(d.desired, decide_again(d).desired) for d in found] == [(desired, desired)]


def test_a_glimpse_of_long_ago_says_nothing() -> None:
    one = planner()
    one.step(Tick(now_us=at(104), arrivals=[early(103, 12)], stalled=True))

    found = decisions_of(one.step(tick(120, pool_status(119), stalled=True)))

    assert found[0].desired == 1


ROOM = CapacitySettings(pool="codex", kv_tokens=150)


def test_a_pool_is_planned_for_the_resource_it_runs_out_of_first() -> None:
    asked = {"prompt_tokens": 60, "tokens": 40}
    last = run(planner(capacities=(ROOM,)), range(120), **asked)[-1]

    assert last.capacity_per_replica == pytest.approx(150 / 80)
    assert "KV tokens bind: a replica carries 150 and full slots would ask for 320" in last.reason
    assert last.proposed > run(planner(), range(120), **asked)[-1].proposed
    assert repeats(encode_record(last))


def limits_of(one: Planner, *before: msgspec.Struct) -> Region:
    """What it knows after two minutes with a full replica that makes 12 tokens a second."""
    one.step(tick(0, *before))
    for second in range(120):
        engine = engines_table(second, running=4, output_tokens=12)
        one.step(tick(second + 1, pool_status(second), busy(second), engine))
    return region_of(run(one, [121])[-1].inputs)


def test_the_limits_of_full_replicas_are_learned() -> None:
    assert limits_of(planner()).value("decode_tokens_per_s") == 12


def incident(kind: str, **but: Any) -> Incident:
    usual: dict[str, Any] = {
        "id": "INC-1",
        "state": "open",
        "severity": "warning",
        "cluster": "local",
        "pool": "codex",
        "subject": Subject(kind="pool", name="codex"),
        "title": "t",
        "started_at_us": at(0),
        "opened_at_us": at(0),
        "updated_at_us": at(0),
        "causes": (
            Cause(kind=kind, subject=Subject(kind="pool", name="codex"), weight=1, sentence="s"),
        ),
    }
    return Incident(**(usual | but))


@pytest.mark.parametrize("kind", ["replica_slow", "unknown"])
def test_no_limit_is_learned_while_something_is_wrong(kind: str) -> None:
    assert limits_of(planner(), incident(kind)) == UNKNOWN


def test_a_surge_shows_the_limit() -> None:
    surge = incident("traffic_surge", users_hurt=True)

    assert limits_of(planner(), surge).value("decode_tokens_per_s") == 12


def test_a_change_of_the_engine_is_heard_of() -> None:
    one = planner()
    limits_of(one)
    deployed = Change(id="c", at_us=at(122), kind="deployed", summary="s", pool="codex")
    one.step(tick(123, deployed))
    after = run(one, [124])[-1]

    assert region_of(after.inputs).value("decode_tokens_per_s") == 12
    assert not after.capacity_identified
