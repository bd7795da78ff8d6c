"""Ten minutes of two pools as messages: a surge met in time, a frozen replica being replaced."""

import math
import random
from collections.abc import Iterator, Sequence

import msgspec

from autoscaler.api.view import View
from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import BlockHeader, encode_block, encode_record
from streams.schemas.anomalies import Anomaly, SeriesKind
from streams.schemas.incidents import Alert, Cause, Incident, Subject
from streams.schemas.origins import Doubtful, Origins
from streams.schemas.scaling import (
    Decision,
    Forecast,
    PoolStatus,
    Quantile,
    ReplicaState,
    ReplicaStatus,
)
from streams.schemas.system import Quality
from streams.schemas.telemetry import Change, EngineSample, GpuSample, RequestEvent
from streams.series import series_hex, series_id
from streams.windows.blocks import encode_table
from streams.windows.delta import to_table

NOW_US = 1_767_268_800 * SECOND_US
SPAN_S = 600
FROZEN_S = -26
"""When codex-2 freezes, seconds from now."""


def at(seconds: float, now_us: int = NOW_US) -> int:
    return now_us + round(seconds * SECOND_US)


def demand(second: float) -> float:
    """Offered work of codex in slots."""
    return 5.0 + 2.6 * math.sin(second / 95) + (2.2 if second > -150 else 0.0)


def replicas(second: float) -> int:
    return 3 if second > -141 else 2


def story(now_us: int = NOW_US, *, trouble: bool = True) -> list[Message]:
    """Everything the view needs for a page full of life; the same every time."""
    rng = random.Random(7)
    return [
        *_windows(now_us, rng, trouble=trouble),
        *_pools(now_us, trouble=trouble),
        *_decisions(now_us, rng),
        *_changes(now_us, trouble=trouble),
        *(_trouble(now_us) if trouble else []),
        *_old_incident(now_us),
        *_quality(now_us),
    ]


def view(now_us: int = NOW_US, *, trouble: bool = True) -> View:
    made = View(shards=2)
    made.feed(story(now_us, trouble=trouble))
    return made


def message(topic: str, record: msgspec.Struct | bytes, key: str = "") -> Message:
    value = record if isinstance(record, bytes) else encode_record(record)
    return Message(topic, 0, 0, 0, key.encode(), value)


def window_messages(
    kind: str, records: Sequence[msgspec.Struct], watermark_us: int, *, interval_s: int = 1
) -> list[Message]:
    interval_us = interval_s * SECOND_US
    table = to_table(kind, records, interval_us=interval_us)
    header = BlockHeader(kind="window", shard=0, watermark_us=watermark_us, interval_us=interval_us)
    return [message("windows", block) for block in encode_table(table, header, max_bytes=900_000)]


def anomaly_message(*anomalies: Anomaly) -> Message:
    header = BlockHeader(kind="anomaly", shard=0)
    return message("anomalies", encode_block(header, payload=msgspec.json.encode(anomalies)))


def _windows(now_us: int, rng: random.Random, *, trouble: bool) -> Iterator[Message]:
    requests: list[RequestEvent] = []
    engines: list[EngineSample] = []
    for second in range(-SPAN_S, 0):
        frozen = trouble and second >= FROZEN_S
        requests += _codex_requests(at(second, now_us), second, rng, frozen=frozen)
        requests += _sora_requests(at(second, now_us), second, rng)
        engines += _engines(at(second, now_us), second, rng, frozen=frozen)
    yield from window_messages("request", requests, now_us)
    yield from window_messages("engine", engines, now_us)
    gpus = [
        GpuSample(
            at_us=at(-10, now_us), node="gpu-a1", gpu_uuid=f"GPU-7c2e-{n}",
            util_ratio=0.71 - 0.2 * n,
            memory_used_bytes=61e9, power_w=512.0 - 80 * n, temperature_c=64.0 - n,
            sm_clock_mhz=1_755.0, ecc_uncorrected=0.0, tensor_active_ratio=0.34,
            encoder_util_ratio=0.0, pcie_bytes_per_s=2.1e9, nvlink_bytes_per_s=38e9,
            held_idle_s=0.0, recovery_action=0.0,
        )
        for n in range(2)
    ]  # fmt: skip
    yield from window_messages("gpu", gpus, now_us, interval_s=10)
    yield message("windows", encode_block(BlockHeader(kind="window", shard=1, watermark_us=now_us)))


def _codex_requests(
    at_us: int, second: int, rng: random.Random, *, frozen: bool
) -> list[RequestEvent]:
    load = demand(second)
    queued = max(0.0, load - 4 * replicas(second)) + (2.0 if frozen else 0.0)
    came = RequestEvent(
        kind="arrived", at_us=at_us, pool="codex", model="gemma-3-270m", tenant="birch",
        route="/v1/chat/completions", prompt_tokens=300,
    )  # fmt: skip
    slow = 3.5 if frozen and rng.random() < 0.5 else 1.0
    gauge = came.but(kind="gauge", prompt_tokens=0, queued=queued, in_flight=min(load, 12.0))
    ended = came.but(
        kind="finished", tenant="aspen", prompt_tokens=0, output_tokens=24, status=200,
        queue_s=0.02 + queued * 0.2, ttft_s=(0.22 + 0.02 * load) * slow * rng.uniform(0.9, 1.2),
        inter_token_s=(0.075 + 0.004 * load) * slow * rng.uniform(0.9, 1.1), duration_s=2.1 * slow,
    )  # fmt: skip
    return [gauge, ended, *([came] if rng.random() < load / 9 else [])]


def _sora_requests(at_us: int, second: int, rng: random.Random) -> list[RequestEvent]:
    came = RequestEvent(
        kind="arrived", at_us=at_us, pool="sora", model="sora-stand-in", route="/v1/videos",
        tenant="cedar",
    )  # fmt: skip
    gauge = came.but(kind="gauge", queued=0.0, in_flight=float(second % 40 < 22))
    if second % 20:
        return [gauge]
    ended = came.but(
        kind="finished", status=200, queue_s=rng.uniform(0, 0.4), duration_s=rng.uniform(11, 16)
    )
    return [gauge, came, ended]


def _engines(at_us: int, second: int, rng: random.Random, *, frozen: bool) -> list[EngineSample]:
    samples = []
    for n in range(1, replicas(second) + 1):
        stuck = frozen and n == 2
        load = min(4.0, demand(second) / replicas(second))
        samples.append(
            EngineSample(
                at_us=at_us, pool="codex", replica=f"codex-{n}", up=0.0 if stuck else 1.0,
                in_flight=4.0 if stuck else load, cpu_ratio=0.0 if stuck else 0.2 + 0.08 * load,
                output_tokens=0 if stuck else round(11 * rng.uniform(0.8, 1.08)),
                stalled_s=6.0 if stuck else 0.05, rss_bytes=4.9e8,
                inter_token_s=None if stuck else 0.09 * rng.uniform(0.9, 1.15),
            )
        )  # fmt: skip
    samples.append(
        EngineSample(
            at_us=at_us, pool="sora", replica="sora-1", up=1.0, in_flight=float(second % 40 < 22),
            cpu_ratio=0.9 if second % 40 < 22 else 0.02,
        )
    )  # fmt: skip
    return samples


def _pools(now_us: int, *, trouble: bool) -> Iterator[Message]:
    codex = PoolStatus(
        pool="codex", service="codex", model="gemma-3-270m", at_us=now_us, desired=3,
        ready=2 if trouble else 3, starting=int(trouble), failed=int(trouble), min_replicas=1,
        max_replicas=4, ladder="full", driver="process", hardware="cpu", start_delay_s=8.0,
        cap="demo cap 12 tokens/s", slots_per_replica=4,
    )  # fmt: skip
    sora = PoolStatus(
        pool="sora", service="sora", model="sora-stand-in", at_us=now_us, desired=1, ready=1,
        min_replicas=1, max_replicas=2, ladder="full", driver="process", hardware="cpu",
        start_delay_s=6.0, slots_per_replica=1,
    )  # fmt: skip
    yield message("pools", codex, "local/codex")
    yield message("pools", sora, "local/sora")
    for name in ("codex-1", "codex-2", "codex-3"):
        yield _replica(now_us, name, "ready")
    if trouble:
        yield _replica(now_us, "codex-4", "starting")
    yield _replica(now_us, "sora-1", "ready")


def _replica(now_us: int, name: str, state: ReplicaState) -> Message:
    coming = state == "starting"
    status = ReplicaStatus(
        pool=name.partition("-")[0], replica=name, state=state,
        since_us=at(-3 if coming else -400, now_us), at_us=now_us,
        ordered_at_us=at(-3 if coming else -408, now_us),
        expected_ready_at_us=at(5, now_us) if coming else 0,
    )  # fmt: skip
    return message("pools", status, f"local/{status.pool}/{name}")


def _decisions(now_us: int, rng: random.Random) -> Iterator[Message]:
    for second in range(-SPAN_S, 0, 2):
        load, ahead = demand(second), demand(second + 10)
        current = replicas(second)
        desired = 3 if second >= -150 else 2
        quantiles = tuple(
            Quantile(q=q, value=ahead + spread)
            for q, spread in ((0.5, 0.0), (0.9, 1.1 + rng.random() / 3))
        )
        yield message("decisions", _decision("codex", second, now_us).but(
            current=current, desired=desired, proposed=desired,
            demand=load + rng.uniform(-0.3, 0.3),
            forecast=_forecast(10, quantiles),
            reason=f"forecast {ahead + 1.1:.1f} slots in 10 s at 2.8 per replica needs {desired}",
            reactive_missed=1 if -150 < second < -125 else 0,
        ))  # fmt: skip
        busy = float(second % 40 < 22)
        yield message("decisions", _decision("sora", second, now_us).but(
            current=1, desired=1, proposed=1, demand=busy, capacity_per_replica=1.0,
            forecast=_forecast(8, (Quantile(q=0.5, value=0.5), Quantile(q=0.9, value=0.9))),
            reason="forecast 0.9 slots in 8 s at 1 per replica needs 1",
        ))  # fmt: skip


def _forecast(horizon_s: float, quantiles: tuple[Quantile, ...]) -> Forecast:
    return Forecast(
        feature="demand", unit="slots", horizon_s=horizon_s, quantiles=quantiles, model="blend"
    )


def _decision(pool: str, second: int, now_us: int) -> Decision:
    return Decision(
        id=f"{pool}@{at(second, now_us)}", at_us=at(second, now_us), cluster="local", pool=pool,
        current=1, desired=1, proposed=1, reason="", ladder="full", capacity_per_replica=4.0,
        capacity_identified=True, reactive=2,
    )  # fmt: skip


def _changes(now_us: int, *, trouble: bool) -> Iterator[Message]:
    rows = [
        (-149.0, "replica_started", "codex-3", "codex-3 ordered, ready in about 8 s"),
        (-141.0, "replica_ready", "codex-3", "codex-3 is ready after 8.1 s"),
        (-320.0, "configured", "", "demo cap set to 12 tokens/s a replica"),
    ]
    if trouble:
        rows += [
            (-21.0, "set_aside", "codex-2", "gateway moved 3 requests away from codex-2"),
            (-3.0, "replica_started", "codex-4", "codex-4 ordered in place of codex-2"),
        ]
    for second, kind, replica, summary in rows:
        change = Change(
            id=f"{kind}-{replica}", at_us=at(second, now_us), kind=kind, summary=summary,  # type: ignore[arg-type]
            pool="codex", replica=replica,
        )  # fmt: skip
        yield message("changes", change)


def _trouble(now_us: int) -> Iterator[Message]:
    found = [
        _anomaly("engine.up_min", "ratio", 0.0, 1.0, now_us).but(
            direction="below", sentence="codex-2 does not answer since 5 s"
        ),
        _anomaly("engine.stalled_s_max", "s", 6.1, 0.1, now_us),
        _anomaly("request.inter_token_s_p95", "s", 0.41, 0.12, now_us, replica=""),
        _anomaly("request.ttft_s_p95", "s", 1.4, 0.4, now_us, replica=""),
        _anomaly("request.duration_s_p95", "s", 7.2, 2.2, now_us, replica=""),
    ]  # fmt: skip
    yield anomaly_message(*found)
    incident = Incident(
        id="INC-4f1d02c9aa", state="open", severity="critical", cluster="local", service="codex",
        pool="codex", subject=Subject(kind="replica", name="codex-2"), title="codex-2 is frozen",
        started_at_us=at(FROZEN_S, now_us), opened_at_us=at(FROZEN_S + 5, now_us),
        updated_at_us=now_us,
        causes=(
            Cause(
                kind="replica_frozen", subject=Subject(kind="replica", name="codex-2"), weight=0.93,
                sentence="codex-2 has not answered for 26 s and burns no CPU, its fellows do",
            ),
            Cause(
                kind="traffic_surge", subject=Subject(kind="pool", name="codex"), weight=0.05,
                sentence="codex gets 1.3 times the usual requests",
            ),
        ),
        anomalies=tuple(one.id for one in found), users_hurt=True,
        timeline=(
            (at(FROZEN_S + 5, now_us), "found: codex-2 does not answer since 5 s"),
            (at(FROZEN_S + 6, now_us), "cause named: replica frozen"),
        ),
    )  # fmt: skip
    yield message("incidents", incident, incident.id)
    alert = Alert(
        id="a1", incident=incident.id, channel="webhook", status="firing", delivery="delivered",
        at_us=at(FROZEN_S + 6, now_us), severity="critical", title=incident.title,
    )  # fmt: skip
    yield message("alerts", alert, "a1")


def _anomaly(
    feature: str, unit: str, actual: float, expected: float, now_us: int, replica: str = "codex-2"
) -> Anomaly:  # fmt: skip
    labels = {"cluster": "local", "pool": "codex", "replica": replica}
    kind: SeriesKind = "engine" if replica else "request"
    return Anomaly(
        id=f"an-{feature}", kind=kind, series_id=series_hex(series_id(kind, labels)),
        labels=labels, feature=feature,
        unit=unit, started_at_us=at(FROZEN_S + 2, now_us), at_us=now_us, score=1.6, peak_score=2.4,
        actual=actual, expected=expected, direction="above", detector="limit",
    )  # fmt: skip


def _old_incident(now_us: int) -> Iterator[Message]:
    incident = Incident(
        id="INC-0021ba77de", state="resolved", severity="warning", cluster="local", pool="codex",
        subject=Subject(kind="client", name="birch"), title="client birch sends bad requests",
        started_at_us=at(-460, now_us), opened_at_us=at(-455, now_us),
        updated_at_us=at(-390, now_us), resolved_at_us=at(-390, now_us),
        causes=(
            Cause(
                kind="client_errors", subject=Subject(kind="client", name="birch"), weight=0.88,
                sentence="birch sent 214 of the pool's 221 refused requests",
            ),
        ),
        timeline=((at(-455, now_us), "found: 31 refused requests a second, usually 0"),),
    )  # fmt: skip
    yield message("incidents", incident, incident.id)


def _quality(now_us: int) -> Iterator[Message]:
    for source, records, late in (("requests", 61, 0), ("engine", 12, 0), ("gpu", 0, 0)):
        quality = Quality(
            at_us=now_us, source=source, partition=0, records=records, accepted=records, late=late,
            behind_s=0.04,
        )  # fmt: skip
        yield message("quality", quality, source)
    yield from _origins(now_us)


def _origins(now_us: int) -> Iterator[Message]:
    """Three senders, one of which counts in milliseconds; and a clock that is behind."""
    for ago in range(4, 0, -1):
        from_us = at(-10 * ago, now_us)
        doubtful = Doubtful(
            origin=1, field="ttft_s", values=40, doubtful=40, implausible=38, least=412.0,
            most=2_310.0,
        )  # fmt: skip
        origins = Origins(
            from_us=from_us, names=("gateway", "gateway-7", "local/node-3"), records=(300, 90, 10),
            least_behind_us=(40_000, 52_000, 3_210_000), doubtful=(doubtful,),
        )  # fmt: skip
        quality = Quality(
            at_us=from_us, source="requests", partition=0, records=0, accepted=0, origins=origins,
            lateness_s=2.0,
        )  # fmt: skip
        yield message("quality", quality, "requests/0")
