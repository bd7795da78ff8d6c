import pytest

from autoscaler.api.view import View
from autoscaler.decide import decide
from streams.codec import FrameHeader, encode_frame, encode_record
from streams.schemas.incidents import Rule
from streams.schemas.origins import Origins
from streams.schemas.scaling import Decision, ReplicaStatus
from streams.schemas.system import Quality
from streams.schemas.telemetry import Change, ChangeKind
from streams.windows.regroup import merge_tables
from tests.autoscaler.messages import Received, anomalies, heartbeat, message, windows
from tests.autoscaler.test_concerns import flood, incident
from tests.autoscaler.test_decide import situation
from tests.autoscaler.world import at, pool_status, requests_table

STATUS = message("pools", "local/codex", pool_status(10))


def view(*messages: Received) -> View:
    one = View(shards=2)
    one.feed(messages)
    return one


def decided(second: int, **but: object) -> Received:
    decision = decide(situation(now_us=at(second), **but)).but(missed=1, reactive_missed=3)
    return message("decisions", "local/codex", decision)


def replica(name: str, second: int = 0) -> ReplicaStatus:
    return ReplicaStatus(
        pool="codex", replica=name, state="ready", since_us=at(second), at_us=at(second)
    )


def test_a_pool_is_summed_up_on_one_line() -> None:
    table = merge_tables(
        [
            requests_table(9, tenant="acme", arrived=2, queued=3, in_flight=4),
            requests_table(9, tenant="birch", arrived=4, ended=[(0.5, 1.0)]),
        ]
    )
    summary = view(STATUS, decided(10, upper=9.0), *windows(table)).pools()[0]

    assert (summary.pool, summary.desired_replicas, summary.current_replicas) == ("codex", 3, 1)
    assert (summary.queue, summary.in_flight, summary.arrivals_per_s) == (3.0, 4.0, 6.0)
    assert summary.queue_p95_s == pytest.approx(0.5, rel=0.02)
    assert (summary.missed, summary.reactive_missed, summary.state) == (1, 3, "ok")


def test_before_a_decision_the_drivers_size_is_shown() -> None:
    summary = view(STATUS).pool("local", "codex")

    assert summary is not None
    assert (summary.desired_replicas, summary.reason) == (1, "no decision yet")


def test_a_pool_with_an_open_incident_is_hurt() -> None:
    summary = view(STATUS, message("incidents", "INC-7", incident())).pools()[0]

    assert (summary.state, summary.incidents) == ("hurt", ("INC-7",))


def test_rules_in_force_are_told_as_sentences() -> None:
    rule = Rule(
        id="order:local/codex",
        kind="override",
        at_us=at(0),
        actor="ann",
        reason="launch",
        pool="codex",
        replicas=3,
    )
    one = view(STATUS, message("rules", rule.id, rule))
    assert one.pools()[0].rules == ("ann overrides with 3 replicas: launch",)

    one.feed([message("rules", rule.id, rule.but(ended=True))])
    assert one.pools()[0].rules == ()


def test_decisions_come_newest_first_and_once() -> None:
    one = view(decided(2), decided(4), decided(4), decided(2))

    assert [decision.at_us for decision in one.decisions()] == [at(4), at(2)]


def test_decisions_that_change_nothing_can_be_left_out() -> None:
    one = view(decided(2), decided(4, upper=9.0))

    assert [decision.at_us for decision in one.decisions(changed_only=True)] == [at(4)]


def test_replicas_go_with_their_tombstone() -> None:
    one = view(
        *(
            message("pools", f"local/codex/{name}", replica(name))
            for name in ("codex-1", "codex-2")
        ),
        message("pools", "local/codex/codex-1", None),
    )

    assert [row.replica for row in one.replicas("local", "codex")] == ["codex-2"]


def life(*kinds: ChangeKind) -> list[Received]:
    """What became of codex-2, step by step, told in the opposite order."""
    told = [
        Change(id=kind, at_us=at(190 + n), kind=kind, summary="", pool="codex", replica="codex-2")
        for n, kind in enumerate(kinds)
    ]
    return [message("changes", change.id, change) for change in reversed(told)]


@pytest.mark.parametrize(
    ("kinds", "missed"),
    [
        pytest.param([], ["local/codex/codex-2"], id="nothing-told"),
        pytest.param(["replica_ready", "replica_stopped"], [], id="stopped-or-asleep"),
        pytest.param(["replica_stopped", "replica_ready"], ["local/codex/codex-2"], id="woken"),
        pytest.param(["replica_lost"], ["local/codex/codex-2"], id="lost"),
    ],
)
def test_nobody_misses_a_replica_that_was_stopped(
    kinds: list[ChangeKind], missed: list[str]
) -> None:
    def heard(number: int) -> Quality:
        names = ("local/codex/codex-1", "local/codex/codex-2")[: 2 if number < 20 else 1]
        origins = Origins(from_us=at(10 * number), names=names, records=(10,) * len(names))
        return Quality(
            at_us=origins.from_us, source="engine", partition=0, records=0, accepted=0,
            origins=origins,
        )  # fmt: skip

    one = view(
        message("pools", "local/codex/codex-2", replica("codex-2").but(state="stopped")),
        *life(*kinds),
        message("pools", "local/codex/codex-2", None),
        *(message("quality", "engine/0", heard(number)) for number in range(24)),
    )

    assert [complaint.origin for complaint in one.complaints()] == missed


def test_the_newest_record_of_an_incident_counts() -> None:
    one = view(
        message("incidents", "INC-7", incident()),
        message("incidents", "INC-8", incident(8)),
        message("incidents", "INC-7", incident(state="resolved", resolved_at_us=at(30))),
    )

    assert [row.id for row in one.incidents()] == ["INC-8", "INC-7"]
    assert [row.id for row in one.incidents(state="open")] == ["INC-8"]


def test_anomalies_are_read_from_blocks() -> None:
    one = view(anomalies(flood(), flood(id="a2", started_at_us=at(5), ended_at_us=at(9))))

    assert [row.id for row in one.anomalies()] == ["a2", "a1"]
    assert [row.id for row in one.anomalies(open_only=True)] == ["a1"]


def test_changes_come_alone_or_in_frames() -> None:
    alone, framed = (Change(id=name, at_us=at(1), kind="scaled", summary=name) for name in "ab")
    frame = encode_frame(
        FrameHeader(producer="p", boot="b", sequence=1, count=1), encode_record(framed)
    )
    one = view(message("changes", "a", alone), Received("changes", b"", frame))

    assert {row.id for row in one.changes()} == {"a", "b"}


def test_series_are_cut_to_what_was_asked_for() -> None:
    one = view(*(m for s in range(5) for m in windows(requests_table(s, arrived=s))))
    line = one.series("request", "arrived_per_s", {"pool": "codex"}, since_us=at(3))[0]

    assert (line.at_us.tolist(), line.values.tolist()) == ([at(3), at(4)], [3.0, 4.0])
    assert one.series("request", "arrived_per_s", {"pool": "sora"}) == []


def test_quantiles_of_a_pool_are_those_of_all_its_tenants_together() -> None:
    table = merge_tables(
        [
            requests_table(0, tenant="acme", ended=[(0.1, 1.0)] * 99),
            requests_table(0, tenant="birch", ended=[(9.0, 1.0)]),
        ]
    )
    one = view(*windows(table))
    tenants = one.series("request", "queue_s_p50")

    assert sorted(round(float(line.values[0]), 1) for line in tenants) == [0.1, 9.0]
    assert one.newest("local", "codex", "queue_s_p95") == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(
    ("messages", "status", "sentence"),
    [
        pytest.param([], "starting", "has not been heard of yet", id="nothing-yet"),
        pytest.param(
            [heartbeat(0, at(100)), heartbeat(1, at(80))],
            "degraded",
            "watch shard 1 is 20 s behind",
            id="one-shard-behind",
        ),
        pytest.param(
            [
                heartbeat(0, at(99)),
                heartbeat(1, at(99)),
                decided(99),
                message("pools", "local/codex", pool_status(100)),
                message(
                    "quality",
                    "q",
                    Quality(at_us=at(99), source="requests", partition=0, records=1, accepted=1),
                ),
            ],
            "ok",
            "every stage is up to date",
            id="all-well",
        ),
    ],
)
def test_health(messages: list[Received], status: str, sentence: str) -> None:
    health = view(*messages).health(at(100))

    assert health.status == status
    assert sentence in health.sentence


@pytest.mark.parametrize("topic", ["windows", "anomalies", "pools", "decisions", "incidents"])
def test_what_cannot_be_read_is_left_out_and_counted(topic: str) -> None:
    one = view(Received(topic, b"local/codex", b"\xff{"), STATUS)

    assert one.corrupt == 1
    assert len(one.pools()) == 1


def test_unknown_topics_are_ignored() -> None:
    assert view(Received("usage", b"k", b"v"), STATUS).corrupt == 0


def test_decisions_are_bounded() -> None:
    one = view(*(decided(2 * n) for n in range(1_000)))

    found: list[Decision] = list(one.decisions(limit=5_000))
    assert len(found) == 900
