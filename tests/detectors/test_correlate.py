from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.incidents.correlate import explain, is_convincing
from detectors.incidents.facts import Pace, PoolFacts, ReplicaFacts, TenantFacts
from detectors.incidents.scene import Family, Scene, family_of, is_fixed
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.windows.features import VALUES

NOW_US = 1_767_225_600 * SECOND_US


def anomaly(feature: str, *, kind: Any = "engine", lasts_s: int = 4, **but: Any) -> Anomaly:
    labels = {"cluster": "local", "pool": "codex", **but.pop("labels", {})}
    usual: dict[str, Any] = {
        "id": f"A-{kind}-{feature}-{sorted(labels.items())}",
        "kind": kind,
        "series_id": str(sorted(labels.items())),
        "labels": labels,
        "feature": f"{kind}.{feature}",
        "unit": "s",
        "started_at_us": NOW_US - lasts_s * SECOND_US,
        "at_us": NOW_US - SECOND_US,
        "score": 1.2,
        "peak_score": 1.2,
        "actual": 3.0,
        "expected": 1.0,
        "direction": "above",
        "detector": "ewma",
    }
    return Anomaly(**(usual | but))


def of(replica: str, feature: str, **but: Any) -> Anomaly:
    return anomaly(feature, labels={"replica": replica}, **but)


def down(replica: str, **but: Any) -> Anomaly:
    facts: dict[str, Any] = {"direction": "below", "detector": "limit"}
    return of(replica, "up_min", **(facts | but))


def sent(client: str, feature: str, **but: Any) -> Anomaly:
    return anomaly(feature, kind="request", labels={"tenant": client} if client else {}, **but)


def change(kind: Any, replica: str = "", *, ago_s: float = 1, **but: Any) -> Change:
    at_us = NOW_US - round(ago_s * SECOND_US)
    usual: dict[str, Any] = {"id": f"{kind}-{replica}", "summary": f"{kind} {replica}"}
    return Change(kind=kind, at_us=at_us, replica=replica, **({"pool": "codex"} | usual | but))


def scene(*anomalies: Anomaly, **but: Any) -> Scene:
    usual: dict[str, Any] = {
        "cluster": "local",
        "pool": "codex",
        "now_us": NOW_US,
        "anomalies": anomalies,
    }
    return Scene(**(usual | but))


def pace(now: float, past: float) -> Pace:
    return Pace(now=now, past=past, seen=60, at_us=NOW_US)


def traffic(**per_client: tuple[float, float, float]) -> PoolFacts:
    """Client -> arrived now, arrived in the past, refused now, per second."""
    return PoolFacts(
        tenants={
            name: TenantFacts(arrived=pace(now, past), refused=pace(refused, 0.0))
            for name, (now, past, refused) in per_client.items()
        }
    )


def speeds(**inter_token_s: float) -> PoolFacts:
    return PoolFacts(
        replicas={
            name.replace("_", "-"): ReplicaFacts(inter_token_s=pace(s, 0.08), at_us=NOW_US)
            for name, s in inter_token_s.items()
        }
    )


POOL = PoolStatus(
    pool="codex", service="codex", model="m", at_us=NOW_US, desired=2, ready=1, max_replicas=3
)
FAILED = ReplicaStatus(
    pool="codex", replica="codex-2", state="failed", since_us=NOW_US, at_us=NOW_US, reason="exit 1"
)


def slow(replica: str, **but: Any) -> Anomaly:
    facts: dict[str, Any] = {"actual": 0.3, "expected": 0.08}
    return of(replica, "inter_token_s_mean", **(facts | but))


LEAK: dict[str, Any] = {"detector": "rise", "peak_score": 2.0, "unit": "bytes"}
COLD: dict[str, Any] = {"direction": "below", "peak_score": 2.0, "unit": "ratio"}


def silent(replica: str, gpu: str = "") -> Anomaly:
    labels = {"replica": replica} | ({"node": "n-1", "gpu_uuid": gpu} if gpu else {})
    kind = "gpu" if gpu else "engine"
    return anomaly("silent_s", kind=kind, labels=labels, detector="silence", actual=12.0)


STUCK: dict[str, Any] = {"detector": "flat_line", "sentence": "running_mean is 7 requests"}


@pytest.mark.parametrize(
    ("given_", "kind", "subject"),
    [
        pytest.param(
            scene(of("codex-2", "restarts_per_s", detector="resets"), down("codex-2")),
            "crash_loop",
            "codex-2",
            id="crashing-again-and-again-is-more-than-silent",
        ),
        pytest.param(scene(silent("codex-2")), "silent_metrics", "codex-2", id="not-heard-of"),
        pytest.param(
            scene(silent("codex-2"), silent("codex-3")),
            "silent_metrics",
            "codex",
            id="several-silent-are-of-the-pool",
        ),
        pytest.param(
            scene(
                silent("codex-2"),
                silent("codex-3"),
                silent("codex-2", "G-1"),
                silent("codex-3", "G-2"),
            ),
            "silent_metrics",
            "n-1",
            id="or-of-the-node-whose-gpus-are-silent-too",
        ),
        pytest.param(
            scene(of("codex-2", "kv_use_ratio_mean", **STUCK)),
            "metric_stuck",
            "codex-2",
            id="what-stands-still-is-no-full-cache",
        ),
        pytest.param(
            scene(anomaly("power_w_mean", kind="gpu", labels={"gpu_uuid": "G-1"}, **STUCK)),
            "metric_stuck",
            "G-1",
            id="nor-a-faulty-gpu",
        ),
        pytest.param(
            scene(down("codex-2"), silent("codex-2", "G-1")),
            "replica_frozen",
            "codex-2",
            id="a-frozen-one-is-worse-than-its-silent-gpu",
        ),
        pytest.param(
            scene(of("codex-2", "rss_bytes_max", **LEAK)), "memory_leak", "codex-2", id="leak"
        ),
        pytest.param(
            scene(of("codex-2", "kv_use_ratio_min", **LEAK), of("codex-2", "stalled_s_max")),
            "kv_exhausted",
            "codex-2",
            id="full-cache",
        ),
        pytest.param(
            scene(anomaly("prefix_hit_ratio_mean", **COLD)), "prefix_cache", "codex", id="cold-pool"
        ),
        pytest.param(
            scene(*(of(f"codex-{n}", "prefix_hit_ratio_mean", **COLD) for n in (1, 2))),
            "prefix_cache",
            "codex",
            id="what-befalls-most-is-of-the-pool",
        ),
        pytest.param(
            scene(
                sent("", "arrived_per_s", direction="below", peak_score=2.0),
                facts=traffic(acme=(0.1, 4.0, 0.0)),
            ),
            "traffic_drop",
            "codex",
            id="nothing-comes",
        ),
        pytest.param(scene(down("codex-2")), "replica_frozen", "codex-2", id="silent"),
        pytest.param(
            scene(of("codex-2", "stalled_s_max", detector="limit")),
            "replica_stalled",
            "codex-2",
            id="it-stalls-but-answers-its-scrapes",
        ),
        pytest.param(
            scene(of("codex-2", "stalled_s_max", detector="limit"), down("codex-2")),
            "replica_frozen",
            "codex-2",
            id="it-stalls-and-does-not-answer",
        ),
        pytest.param(
            scene(
                *[of(f"codex-{n}", "stalled_s_max", detector="limit") for n in (1, 2)],
                facts=traffic(aspen=(1, 1, 0)),
            ),
            "capacity_short",
            "codex",
            id="all-stall",
        ),
        pytest.param(
            scene(
                *[of(f"codex-{n}", "stalled_s_max", detector="limit") for n in (1, 2)],
                facts=traffic(aspen=(3, 1, 0)),
            ),
            "traffic_surge",
            "codex",
            id="all-stall-under-a-surge",
        ),
        pytest.param(
            scene(down("codex-2"), changes=(change("replica_lost", "codex-2", ago_s=5),)),
            "replica_lost",
            "codex-2",
            id="silent-because-gone",
        ),
        pytest.param(
            scene(
                down("codex-2", lasts_s=12), changes=(change("replica_lost", "codex-2", ago_s=1),)
            ),
            "replica_frozen",
            "codex-2",
            id="gone-because-it-was-silent",
        ),
        pytest.param(
            scene(changes=(change("replica_lost", "codex-2"),)),
            "replica_lost",
            "codex-2",
            id="reported-gone-and-nothing-else",
        ),
        pytest.param(
            scene(down("codex-2"), replicas={"codex-2": FAILED}),
            "replica_lost",
            "codex-2",
            id="gone-as-its-driver-sees-it",
        ),
        pytest.param(
            scene(slow("codex-3"), facts=speeds(codex_1=0.08, codex_2=0.09, codex_3=0.3)),
            "replica_slow",
            "codex-3",
            id="slower-than-its-fellows",
        ),
        pytest.param(scene(slow("codex-1")), "replica_slow", "codex-1", id="slow-and-alone"),
        pytest.param(
            scene(of("codex-1", "golden_ratio_min", direction="below", detector="limit")),
            "replica_wrong",
            "codex-1",
            id="wrong-though-quick",
        ),
        pytest.param(
            scene(of("codex-1", "repeated_per_s", detector="apart")),
            "replica_wrong",
            "codex-1",
            id="says-the-same-again-and-again",
        ),
        pytest.param(
            scene(of("codex-1", "corrupted_per_s", detector="limit")),
            "replica_wrong",
            "codex-1",
            id="computes-nan",
        ),
        pytest.param(
            scene(of("codex-1", "answer_tokens_per_s", detector="apart")),
            "replica_differs",
            "codex-1",
            id="briefer-than-its-fellows",
        ),
        pytest.param(
            scene(
                *(of(f"codex-{n}", "empty_ratio", detector="limit") for n in (1, 2, 3)),
                facts=speeds(codex_1=0.1, codex_2=0.1, codex_3=0.1, codex_4=0.1),
            ),
            "replica_wrong",
            "codex",
            id="a-model-that-says-nothing",
        ),
        pytest.param(
            scene(
                anomaly("answer_tokens_per_s", detector="apart"),
                changes=(change("deployed", ago_s=60),),
            ),
            "change",
            "codex",
            id="briefer-after-a-deploy",
        ),
        pytest.param(scene(slow("codex-1", actual=0.14)), "unknown", "codex-1", id="hardly-slow"),
        pytest.param(
            scene(slow("codex-1"), slow("codex-2", actual=0.25)),
            "unknown",
            "codex",
            id="slow-like-its-fellow",
        ),
        pytest.param(
            scene(
                slow("codex-1", actual=0.2),
                slow("codex-2", actual=0.5),
                facts=speeds(codex_1=0.2, codex_2=0.5, codex_3=0.1, codex_4=0.1),
            ),
            "replica_slow",
            "codex-2",
            id="the-slower-of-two",
        ),
        pytest.param(
            scene(
                sent("", "arrived_per_s"),
                facts=traffic(aspen=(4, 1, 0), birch=(3, 1, 0)),
            ),
            "traffic_surge",
            "codex",
            id="surge",
        ),
        pytest.param(
            scene(sent("", "queued_max"), facts=traffic(aspen=(4, 1, 0))),
            "traffic_surge",
            "codex",
            id="queue-of-a-surge",
        ),
        pytest.param(
            scene(sent("", "queued_max"), facts=traffic(aspen=(1, 1, 0)), status=POOL),
            "capacity_short",
            "codex",
            id="queue-without-a-surge",
        ),
        pytest.param(
            scene(
                sent("birch", "rejected_per_s", detector="limit", actual=9.0),
                sent("", "arrived_per_s"),
                facts=traffic(aspen=(1, 1, 0), birch=(9, 1, 9)),
            ),
            "client_errors",
            "birch",
            id="flood-that-counts-as-arrivals",
        ),
        pytest.param(
            scene(sent("birch", "rejected_per_s"), facts=traffic(aspen=(1, 1, 0), dune=(0, 0, 9))),
            "unknown",
            "birch",
            id="not-the-client-that-refusals-do-not-come-from",
        ),
        pytest.param(
            scene(
                sent("aspen", "rejected_per_s"),
                sent("", "arrived_per_s"),
                facts=traffic(aspen=(8, 1, 2), birch=(8, 1, 2)),
            ),
            "traffic_surge",
            "codex",
            id="refusals-of-a-full-queue",
        ),
        pytest.param(
            scene(sent("birch", "rejected_per_s", actual=9.0)),
            "client_errors",
            "birch",
            id="flood-without-windows",
        ),
        pytest.param(
            scene(sent("aspen", "ttft_s_p95"), changes=(change("deployed", ago_s=60),)),
            "change",
            "codex",
            id="after-a-deploy",
        ),
        pytest.param(
            scene(sent("aspen", "ttft_s_p95"), changes=(change("deployed", ago_s=1),)),
            "unknown",
            "codex",
            id="before-a-deploy",
        ),
        pytest.param(
            scene(sent("aspen", "ttft_s_p95"), changes=(change("scaled", ago_s=60),)),
            "unknown",
            "codex",
            id="our-own-scaling-is-an-answer",
        ),
        pytest.param(
            scene(
                anomaly("sm_clock_mhz_mean", kind="gpu", labels={"node": "n1", "gpu_uuid": "G"}),
                changes=(change("node_maintenance", ago_s=60, pool="", node="n1"),),
            ),
            "change",
            "n1",
            id="after-work-on-its-node",
        ),
        pytest.param(
            scene(
                anomaly("sm_clock_mhz_mean", kind="gpu", labels={"node": "n1", "gpu_uuid": "G"}),
                changes=(change("node_maintenance", ago_s=60, pool="", node="n2"),),
            ),
            "gpu_fault",
            "n1/G",
            id="not-after-work-on-another-node",
        ),
        pytest.param(
            scene(
                anomaly(
                    "xid_max",
                    kind="gpu",
                    detector="limit",
                    labels={"node": "n1", "gpu_uuid": "GPU-7", "replica": "codex-2"},
                ),
                slow("codex-2", expected=0.25),
            ),
            "gpu_fault",
            "n1/GPU-7",
            id="gpu-and-what-it-does-to-its-replica",
        ),
        pytest.param(
            scene(
                anomaly(
                    "held_idle_s_max",
                    kind="gpu",
                    detector="limit",
                    labels={"node": "n1", "gpu_uuid": "GPU-7", "replica": "codex-2"},
                ),
            ),
            "unknown",
            "codex-2",
            id="an-idle-gpu-is-no-fault",
        ),
    ],
)
def test_what_is_believed(given_: Scene, kind: str, subject: str) -> None:
    (first, *more) = explain(given_)
    assert (first.cause.kind, first.subject.name) == (kind, subject)
    assert more == []


def test_a_frozen_replica_explains_the_queue_of_its_pool_and_its_busy_fellows() -> None:
    symptoms = [
        sent("", "queued_max"),
        sent("aspen", "ttft_s_p95"),
        of("codex-1", "cpu_ratio_mean"),
    ]
    (only,) = explain(scene(down("codex-2"), *symptoms))
    assert {a.id for a in symptoms} < set(only.cause.anomalies)


def test_a_silent_fellow_is_another_story() -> None:
    found = explain(scene(down("codex-1"), down("codex-2")))
    assert [e.subject.name for e in found] == ["codex-1", "codex-2"]


def test_a_surge_is_no_excuse_for_a_replica_much_slower_than_its_fellows() -> None:
    facts = traffic(aspen=(4, 1, 0)).but(replicas=speeds(codex_1=0.1, codex_2=0.5).replicas)
    found = explain(scene(sent("", "arrived_per_s"), slow("codex-2", actual=0.5), facts=facts))
    assert {(e.cause.kind, len(e.anomalies)) for e in found} == {
        ("replica_slow", 1),
        ("traffic_surge", 1),
    }


@pytest.mark.parametrize(
    ("full", "cause"),
    [
        pytest.param({"codex-2"}, "unknown", id="it-has-no-room-for-what-it-was-given"),
        pytest.param({"codex-1", "codex-2"}, "replica_slow", id="nobody-has-room"),
        pytest.param({"codex-1"}, "replica_slow", id="only-its-fellow-has-none"),
    ],
)
def test_a_replica_that_was_given_more_than_it_has_room_for_is_not_slow(
    full: set[str], cause: str
) -> None:
    facts = speeds(codex_1=0.1, codex_2=0.5)
    replicas = {
        name: one.but(preempted=pace(0.5, 0.1)) if name in full else one
        for name, one in facts.replicas.items()
    }
    (only,) = explain(scene(slow("codex-2", actual=0.5), facts=facts.but(replicas=replicas)))

    assert only.cause.kind == cause


@pytest.mark.parametrize(
    ("per_s", "cause"),
    [
        pytest.param(0.1, "capacity_short", id="two-jobs-at-once-where-one-comes-in-ten-seconds"),
        pytest.param(10.0, "traffic_surge", id="twice-as-many-where-many-come"),
    ],
)
def test_a_few_requests_more_are_no_surge(per_s: float, cause: str) -> None:
    waits = sent("", "queue_s_p95", detector="limit", actual=200.0)
    (only,) = explain(scene(waits, facts=traffic(aspen=(2 * per_s, per_s, 0))))

    assert only.cause.kind == cause


def gives_up(cancelled: float, arrived: float) -> PoolFacts:
    aspen = TenantFacts(arrived=pace(arrived, 4.0), cancelled=pace(cancelled, 0.0))
    return PoolFacts(tenants={"aspen": aspen})


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        pytest.param(gives_up(6.0, 9.0), "retry_storm", id="most-is-given-up-and-comes-again"),
        pytest.param(gives_up(0.5, 9.0), "replica_slow", id="only-more-arrives"),
        pytest.param(gives_up(3.0, 4.0), "replica_slow", id="given-up-for-good"),
    ],
)
def test_what_is_given_up_and_comes_again_is_no_matter_of_the_slowest_replica(
    facts: PoolFacts, cause: str
) -> None:
    found = explain(scene(slow("codex-2"), sent("", "queued_max"), facts=facts))

    assert found[0].cause.kind == cause


def test_nor_is_a_flood_of_refused_requests() -> None:
    facts = traffic(dune=(0, 0, 9)).but(replicas=speeds(codex_1=0.1, codex_2=0.5).replicas)
    flood = sent("dune", "rejected_per_s", detector="limit")
    found = explain(scene(flood, slow("codex-2", actual=0.5), facts=facts))
    assert [e.subject.name for e in found] == ["dune", "codex-2"]


def test_a_replica_that_answers_but_is_late_and_stalls_is_slow() -> None:
    stalls = of("codex-2", "stalled_s_max", detector="limit")
    (only,) = explain(scene(stalls, slow("codex-2", actual=0.17)))
    assert only.cause.sentence.startswith("time between tokens of codex-2")
    assert stalls.id in only.proper


def test_rivals_come_after_what_is_believed() -> None:
    (only,) = explain(scene(down("codex-2"), sent("", "queued_max"), status=POOL))
    assert [c.kind for c in only.causes] == ["replica_frozen", "capacity_short"]


def test_sentences_carry_the_numbers() -> None:
    facts = traffic(aspen=(4.04, 1, 0)).but(queued=pace(11, 1))
    (only,) = explain(scene(sent("", "arrived_per_s"), facts=facts))
    assert only.cause.sentence == "4.0 requests/s arrive at codex, usually 1.0; 11 wait"


# --- is it enough? --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "enough"),
    [
        pytest.param(scene(down("codex-2", lasts_s=1)), True, id="fixed-meaning-at-once"),
        pytest.param(
            scene(changes=(change("replica_lost", "codex-2"),)), True, id="reported-at-once"
        ),
        pytest.param(
            scene(of("codex-2", "ttft_s_mean", peak_score=1.4)), False, id="lone-faint-latency"
        ),
        pytest.param(scene(slow("codex-2", lasts_s=1, peak_score=3.0)), False, id="too-short"),
        pytest.param(
            scene(slow("codex-2", actual=0.2, peak_score=1.5)), True, id="clear-and-lasting"
        ),
        pytest.param(
            scene(slow("codex-2", actual=0.2), of("codex-2", "cpu_ratio_mean")),
            True,
            id="two-values-bear-each-other-out",
        ),
        pytest.param(
            scene(sent("", "failed_per_s", lasts_s=8), sent("", "queued_max", lasts_s=8)),
            True,
            id="failures-and-a-queue",
        ),
        pytest.param(scene(slow("codex-2", lasts_s=30, actual=0.2)), False, id="faint-for-long"),
        pytest.param(
            scene(slow("codex-2", actual=0.15, lasts_s=30, peak_score=5.0)),
            False,
            id="busier-than-usual-but-not-slow",
        ),
        pytest.param(
            scene(of("codex-2", "stalled_s_max", detector="limit", lasts_s=30)),
            False,
            id="a-short-stall",
        ),
        pytest.param(
            scene(of("codex-2", "stalled_s_max", detector="limit", peak_score=2.0, lasts_s=6)),
            True,
            id="a-long-stall",
        ),
        pytest.param(
            scene(sent("", "arrived_per_s"), facts=traffic(aspen=(4, 1, 0))),
            True,
            id="a-faint-surge-that-is-plain-to-see",
        ),
        pytest.param(
            scene(sent("", "arrived_per_s"), facts=traffic(aspen=(1.9, 1, 0))),
            False,
            id="a-faint-surge-that-is-not",
        ),
        pytest.param(
            scene(slow("codex-2", actual=0.2), sent("", "queued_max")),
            True,
            id="two-independent-witnesses",
        ),
        pytest.param(
            scene(sent("", "queued_max"), sent("aspen", "ttft_s_p95", lasts_s=30)),
            False,
            id="a-busy-moment-is-slow-and-backed-up-at-once",
        ),
        pytest.param(
            scene(sent("", "queued_max", lasts_s=8, peak_score=1.6)), True, id="a-clear-queue"
        ),
        pytest.param(
            scene(of("codex-2", "rss_bytes_max", detector="rise", lasts_s=2)),
            False,
            id="memory-may-grow-a-while",
        ),
        pytest.param(
            scene(of("codex-2", "empty_per_s", detector="apart")),
            True,
            id="empty-answers-are-wrong",
        ),
        pytest.param(
            scene(anomaly("answer_tokens_per_s", detector="apart", lasts_s=60, peak_score=9.0)),
            False,
            id="clients-may-ask-for-briefer-answers",
        ),
    ],
)
def test_whether_somebody_is_disturbed(given_: Scene, *, enough: bool) -> None:
    assert is_convincing(explain(given_)[0]) == enough


# --- in general -----------------------------------------------------------------------------------

ANOMALIES = st.builds(
    lambda value, who, score, direction: anomaly(
        value[1],
        kind=value[0],
        labels={
            "engine": {"replica": who},
            "request": {"tenant": who},
            "gpu": {"gpu_uuid": who},
        }[value[0]],
        peak_score=score,
        direction=direction,
    ),
    st.sampled_from([(kind, value.name) for kind, values in VALUES.items() for value in values]),
    st.sampled_from(["codex-1", "codex-2", "birch"]),
    st.sampled_from([1.0, 1.6]),
    st.sampled_from(["above", "below"]),
)


@given(st.lists(ANOMALIES, max_size=8, unique_by=lambda a: a.id), st.randoms())
def test_every_anomaly_is_explained_whatever_the_order(anomalies: list[Anomaly], rng: Any) -> None:
    found = explain(scene(*anomalies))
    rng.shuffle(anomalies)
    assert {a.id for e in found for a in e.anomalies} == {a.id for a in anomalies}
    assert explain(scene(*anomalies)) == found


def test_what_belongs_to_no_pool_is_of_the_cluster() -> None:
    lone = anomaly("up_min", detector="ewma").but(labels={"cluster": "local"})
    (only,) = explain(scene(lone, pool=""))
    assert (only.subject.kind, only.subject.name) == ("unknown", "local")


def test_every_value_of_the_catalogue_has_a_family() -> None:
    families = {
        name: family_of(anomaly(name, kind=kind))
        for kind, name in [("request", "failed_per_s"), ("engine", "waiting_mean")]
    }
    assert families == {"failed_per_s": Family.ERRORS, "waiting_mean": Family.BACKLOG}


def test_a_limit_on_a_queue_is_no_fault_by_itself() -> None:
    assert is_fixed(down("codex-2"))
    assert not is_fixed(sent("", "queue_s_p95", detector="limit"))
