"""What an inference engine says on /metrics, in the words of EngineSample."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample
from streams.sources.prometheus_text import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineNames:
    """Metric names of one engine; of several names the first that is there counts.

    Histograms are named without ``_sum`` and ``_count``. Counters are named as on the wire.
    """

    running: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    kv_use_ratio: tuple[str, ...] = ()
    prompt_tokens: tuple[str, ...] = ()
    output_tokens: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()
    ttft: tuple[str, ...] = ()
    inter_token: tuple[str, ...] = ()


ENGINES: Final[Mapping[str, EngineNames]] = {
    # Our own door before a replica knows best: its engine computes ahead of what it hands out.
    "tidegate": EngineNames(
        running=("tidegate_replica_requests_running",),
        waiting=("tidegate_replica_requests_waiting",),
        output_tokens=("tidegate_replica_output_tokens_total",),
        finished=("tidegate_replica_requests_total",),
    ),
    "llamacpp": EngineNames(
        running=("llamacpp:requests_processing",),
        waiting=("llamacpp:requests_deferred",),
        kv_use_ratio=("llamacpp:kv_cache_usage_ratio",),
        prompt_tokens=("llamacpp:prompt_tokens_total",),
        output_tokens=("llamacpp:tokens_predicted_total",),
    ),
    "sglang": EngineNames(
        running=("sglang:num_running_reqs",),
        waiting=("sglang:num_queue_reqs",),
        kv_use_ratio=("sglang:token_usage",),
        prompt_tokens=("sglang:prompt_tokens_total",),
        output_tokens=("sglang:generation_tokens_total",),
        finished=("sglang:num_requests_total",),
        ttft=("sglang:time_to_first_token_seconds",),
        inter_token=("sglang:inter_token_latency_seconds",),
    ),
    "tgi": EngineNames(
        running=("tgi_batch_current_size",),
        waiting=("tgi_queue_size",),
        prompt_tokens=("tgi_request_input_length_sum",),
        output_tokens=("tgi_request_generated_tokens_sum",),
        finished=("tgi_request_success",),
        inter_token=("tgi_request_mean_time_per_token_duration",),
    ),
    "trtllm": EngineNames(
        running=("trtllm_num_requests_running",),
        waiting=("trtllm_num_requests_waiting",),
        kv_use_ratio=("trtllm_kv_cache_utilization",),
    ),
    "vllm": EngineNames(
        running=("vllm:num_requests_running",),
        waiting=("vllm:num_requests_waiting",),
        kv_use_ratio=("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        prompt_tokens=("vllm:prompt_tokens_total",),
        output_tokens=("vllm:generation_tokens_total",),
        finished=("vllm:request_success_total",),
        ttft=("vllm:time_to_first_token_seconds",),
        inter_token=("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
    ),
}

WANTED: Final = tuple(
    name
    for names in ENGINES.values()
    for field_name in EngineNames.__dataclass_fields__
    for name in getattr(names, field_name)
)
"""Beginnings of the lines that matter, for ``prometheus_text.parse``."""

_SHARDS: Final = frozenset({"tp_rank", "pp_rank", "moe_ep_rank"})
"""Ranks that work on the same requests: each reports all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReading:
    """One page of /metrics: levels as they are, counters as they stand."""

    running: float | None = None
    waiting: float | None = None
    kv_use_ratio: float | None = None
    counters: Mapping[str, float] = field(default_factory=dict)
    """`prompt_tokens`, `output_tokens`, `finished`, and sum and count of the two latencies."""


def read_engine(samples: Sequence[Sample]) -> EngineReading:
    """What any of the known engines says here; several on one page complete each other."""
    pages: dict[str, list[Sample]] = {}
    for sample in samples:
        if math.isfinite(sample.value):
            pages.setdefault(sample.name, []).append(sample)

    def first(field_name: str, suffix: str = "") -> list[Sample]:
        names = (f"{n}{suffix}" for engine in ENGINES.values() for n in getattr(engine, field_name))
        return next((pages[name] for name in names if name in pages), [])

    counters = {name: first(name) for name in ("prompt_tokens", "output_tokens", "finished")}
    for histogram in ("ttft", "inter_token"):
        for suffix in ("_sum", "_count"):
            counters[f"{histogram}{suffix}"] = first(histogram, suffix)
    return EngineReading(
        running=_level(first("running")),
        waiting=_level(first("waiting")),
        kv_use_ratio=max((sample.value for sample in first("kv_use_ratio")), default=None),
        counters={name: sum(s.value for s in found) for name, found in counters.items() if found},
    )


def _level(samples: Sequence[Sample]) -> float | None:
    """Sum over engines and data-parallel ranks; ranks of one engine are not added up."""
    by_engine: dict[frozenset[tuple[str, str]], float] = {}
    for sample in samples:
        engine = frozenset(item for item in sample.labels.items() if item[0] not in _SHARDS)
        by_engine[engine] = max(sample.value, by_engine.get(engine, sample.value))
    return sum(by_engine.values()) if by_engine else None


class EngineMeter:
    """Turns the readings of one replica into samples: counters become differences.

    A counter that went down was reset: all it shows now happened since. The first reading has no
    differences. After a gap the next one covers it, and says so in ``interval_s``.
    """

    def __init__(self, *, cluster: str, pool: str, replica: str) -> None:
        self._empty = EngineSample(at_us=0, cluster=cluster, pool=pool, replica=replica)
        self._before: Mapping[str, float] | None = None
        self._before_us = 0

    def silent(self, at_us: int, waited_s: float) -> EngineSample:
        """No answer in time."""
        return self._empty.but(at_us=at_us, up=0.0, scrape_s=waited_s)

    def sample(self, reading: EngineReading, at_us: int, scrape_s: float) -> EngineSample:
        now, before = reading.counters, self._before
        since = {
            name: _increase(before.get(name), value) if before is not None else 0.0
            for name, value in now.items()
        }
        interval_s = (at_us - self._before_us) / SECOND_US if before is not None else 1.0
        self._before, self._before_us = now, at_us
        return self._empty.but(
            at_us=at_us,
            interval_s=interval_s,
            up=1.0,
            scrape_s=scrape_s,
            running=reading.running,
            waiting=reading.waiting,
            kv_use_ratio=reading.kv_use_ratio,
            prompt_tokens=round(since.get("prompt_tokens", 0)),
            output_tokens=round(since.get("output_tokens", 0)),
            finished=round(since.get("finished", 0)),
            ttft_s=_mean(since, "ttft"),
            inter_token_s=_mean(since, "inter_token"),
        )


def _increase(before: float | None, now: float) -> float:
    if before is None:
        return 0.0
    return now - before if now >= before else now


def _mean(since: Mapping[str, float], name: str) -> float | None:
    count = since.get(f"{name}_count", 0.0)
    return since.get(f"{name}_sum", 0.0) / count if count > 0 else None
