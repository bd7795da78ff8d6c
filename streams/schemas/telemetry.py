"""What services, engines, GPUs and operators report: the records on the raw topics."""

from typing import Literal

import msgspec

from streams.schemas.base import Record

RequestKind = Literal["arrived", "finished", "rejected", "cancelled", "gauge"]
ChangeKind = Literal[
    "scaled",
    "replica_started",
    "replica_ready",
    "replica_lost",
    "replica_stopped",
    "set_aside",
    "taken_back",
    "deployed",
    "configured",
    "node_maintenance",
    "model_loaded",
    "feedback",
    "other",
]


class RequestEvent(Record, frozen=True, kw_only=True, gc=False):
    """One step in the life of a request, or (``gauge``) what a pool holds at this second.

    ``at_us`` is when the event was emitted, so nothing about demand waits for a request to end.
    """

    kind: RequestKind
    at_us: int
    pool: str
    cluster: str = "local"
    model: str = ""
    route: str = ""
    tenant: str = ""
    request_id: str = ""
    replica: str = ""
    status: int = 0
    """HTTP status given to the client; 499 when the client left first."""
    reason: str = ""
    """Why it was rejected or failed: `rate_limited`, `invalid`, `queue_full`, `upstream`, ..."""
    attempt: int = 0
    """0 for a first try; a retry of the same request counts once as demand."""
    prompt_tokens: int = 0
    output_tokens: int = 0
    queue_s: float | None = None
    ttft_s: float | None = None
    inter_token_s: float | None = None
    duration_s: float | None = None
    queued: float | None = None
    in_flight: float | None = None


class EngineSample(Record, frozen=True, kw_only=True, gc=False):
    """One look at a replica: its own metrics, its process, or how the gateway finds it.

    Counters are already differences since the sample before; a missing value is ``None``.
    """

    at_us: int
    pool: str
    replica: str
    source: Literal["scrape", "process", "gateway"] = "scrape"
    cluster: str = "local"
    interval_s: float = 1.0
    up: float | None = None
    """1 when the source answered in time, else 0."""
    scrape_s: float | None = None
    running: float | None = None
    waiting: float | None = None
    kv_use_ratio: float | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0
    cpu_ratio: float | None = None
    """Cores in use (1.0 is one core)."""
    rss_bytes: float | None = None
    in_flight: float | None = None
    stalled_s: float | None = None
    """Longest time that a request in flight at the replica has waited for its next byte."""
    finished: int = 0
    failed: int = 0
    ttft_s: float | None = None
    """Mean time to first token over the interval's requests."""
    inter_token_s: float | None = None
    """Mean time between output tokens over the interval; a stream that got none counts with its
    wait so far."""
    queue_s: float | None = None
    """Mean wait inside the engine of the interval's requests before they were first scheduled."""
    prefill_s: float | None = None
    """Mean time from first being scheduled to the first token."""
    duration_s: float | None = None
    """Mean time from arrival at the engine to the last token."""
    ttft_spread: str = ""
    """All of the interval's values instead of their mean: `value:count` pairs in seconds, parted by
    spaces, `0.16:3 0.175:2`. Where it is not empty, windows are made from it."""
    inter_token_spread: str = ""
    queue_spread: str = ""
    prefill_spread: str = ""
    duration_spread: str = ""
    deferred: float | None = None
    """Of those waiting, the ones that more room would not help (they wait for a grammar, for
    adapters, for KV from elsewhere)."""
    kv_capacity_tokens: float | None = None
    asleep: float | None = None
    """1 when the engine has put its weights away, else 0."""
    cached_tokens: int = 0
    """Prompt tokens found in the prefix cache."""
    prefix_hit_ratio: float | None = None
    spec_accept_ratio: float | None = None
    """Share of the speculated tokens that were right."""
    preemptions: int = 0
    """Requests thrown back for want of KV cache."""
    aborted: int = 0
    truncated: int = 0
    """Requests finished because they reached their limit of tokens; in `finished` too."""
    ends: int = 0
    """Answers whose reason to end is known: what `truncated` is a share of."""
    answers: int = 0
    """Answers whose length is known,"""
    answer_tokens: int = 0
    """and their tokens."""
    texts: int = 0
    """Whole answers whose text somebody looked at,"""
    empty: int = 0
    """and those of them that show no text."""
    stretches: int = 0
    """Stretches of 1 KiB of answers, also of such as still go on, that somebody looked at,"""
    repeated: int = 0
    """and those of them that say the same again and again."""
    corrupted: int = 0
    """Requests whose logits held NaN: what was said from there on means nothing."""
    golden_ratio: float | None = None
    """Share of questions with a known answer that it answered rightly."""
    engine: str = ""
    """`vllm`, `sglang`, `tgi`, `triton`, `trtllm`, `llamacpp`."""
    version: str = ""
    """Of the engine, where its server says so."""
    model: str = ""
    """As the engine calls it on its page, or its server; several are parted by commas."""
    adapters: str = ""
    """LoRA adapters that serve or wait, parted by commas."""
    restarts: int = 0
    """1 when it was started anew since the sample before, as far as its page shows."""
    adapters_loaded: str = ""
    """LoRA adapters that are loaded, parted by commas; `-`: none; empty: it does not say."""


class GpuSample(Record, frozen=True, kw_only=True, gc=False):
    """One reading of a GPU (names and units: NVML). Cumulative counters stay cumulative."""

    at_us: int
    node: str
    gpu_uuid: str
    cluster: str = "local"
    zone: str = ""
    node_group: str = ""
    index: int = 0
    model: str = ""
    pool: str = ""
    replica: str = ""
    util_ratio: float | None = None
    memory_util_ratio: float | None = None
    memory_used_bytes: float | None = None
    memory_total_bytes: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temperature_c: float | None = None
    memory_temperature_c: float | None = None
    sm_clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    throttle_reasons: int = 0
    """NVML clocks-event bit mask; 0x08 | 0x40 | 0x80 are hardware slowdowns."""
    ecc_corrected: float | None = None
    ecc_uncorrected: float | None = None
    remapped_rows: float | None = None
    pcie_replays: float | None = None
    nvlink_errors: float | None = None
    processes: float | None = None
    xid: int = 0
    """Code of an XID event seen since the last sample, 0 for none."""
    parent_uuid: str = ""
    """Of a MIG instance: the GPU that it is a part of, which has a series of its own."""
    owner: str = ""
    """Who holds it: `namespace/pod`, `pod:UID` where only that is known, `job:ID`, or a user."""
    sm_active_ratio: float | None = None
    tensor_active_ratio: float | None = None
    encoder_util_ratio: float | None = None
    decoder_util_ratio: float | None = None
    remap_pending: float | None = None
    """1 when rows wait for the next reset of the GPU to be remapped."""
    remap_failed: float | None = None
    recovery_action: float | None = None
    """What the driver asks for, in NVML's codes: 0 nothing, 1 a reset, 2 a reboot, 3 a drain."""
    pcie_bytes_per_s: float | None = None
    """Both directions added, like those of all NVLinks."""
    nvlink_bytes_per_s: float | None = None
    held_idle_s: float | None = None
    """How long somebody has held it without any work; 0 while it works or nobody holds it."""
    energy_j: float | None = None
    """Since boot. Like the next two in the raw record only: windows have their derivative."""
    ecc_corrected_lifetime: float | None = None
    ecc_uncorrected_lifetime: float | None = None


class Change(Record, frozen=True, kw_only=True):
    """Something somebody did to the system: a cause to look for when things go wrong."""

    id: str
    at_us: int
    kind: ChangeKind
    summary: str
    actor: str = ""
    cluster: str = "local"
    pool: str = ""
    replica: str = ""
    node: str = ""
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
