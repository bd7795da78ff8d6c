"""The catalogue: what is summed up per series kind, and the values derived from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from streams.windows.ranges import Range, range_of


class Merge(StrEnum):
    """How a feature's records become one row, and rows of deltas one window."""

    COUNT = "count"
    SUM = "sum"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One measured quantity.

    field: the record's field (SUM, GAUGE, HISTOGRAM) or the event kind that is counted (COUNT).
    spread: the record's field that may hold many values at once (HISTOGRAM, ``spread.py``).
    scale: steps per unit of the int64 fixed-point sums, so the order of adding cannot matter.
    rare: most records have none of these, so that they must cost nothing where they are missing.
    """

    name: str
    unit: str
    merge: Merge
    help: str
    scale: int = 1
    field: str = ""
    spread: str = ""
    rare: bool = False

    @property
    def source(self) -> str:
        return self.field or self.name

    @property
    def range(self) -> Range:
        """What can be there, and what may well be."""
        return range_of(self.name, self.unit)


def _count(name: str, help_: str) -> Feature:
    return Feature(name=name, unit="requests", merge=Merge.COUNT, help=help_)


def _sum(name: str, unit: str, help_: str) -> Feature:
    return Feature(name=name, unit=unit, merge=Merge.SUM, help=help_)


def _gauge(name: str, unit: str, help_: str, scale: int = 1_000_000) -> Feature:
    return Feature(name=name, unit=unit, merge=Merge.GAUGE, help=help_, scale=scale)


def _seconds(name: str, help_: str, spread: str = "") -> Feature:
    return Feature(
        name=name, unit="s", merge=Merge.HISTOGRAM, help=help_, scale=1_000_000, spread=spread
    )


def _rare(name: str, unit: str, help_: str, scale: int = 1) -> Feature:
    return replace(_gauge(name, unit, help_, scale), rare=True)


FEATURES: Final[Mapping[str, tuple[Feature, ...]]] = {
    "request": (
        _count("arrived", "requests that arrived, retries not counted again"),
        _count("finished", "requests answered with success"),
        _count("failed", "requests that ended in an error of ours (status 500 and above)"),
        _count("rejected", "requests refused: limits, invalid, shed"),
        _count("shed", "requests refused for want of room: queue full, waited too long in it"),
        _count("cancelled", "requests whose client left first"),
        _sum("prompt_tokens", "tokens", "prompt tokens of requests that arrived"),
        _sum("output_tokens", "tokens", "output tokens of requests that ended"),
        _seconds("queue_s", "wait in the gateway before a replica took the request"),
        _seconds("ttft_s", "arrival to first token"),
        _seconds("inter_token_s", "mean time between output tokens of a request"),
        _seconds("duration_s", "arrival to end"),
        _gauge("queued", "requests", "requests waiting in the gateway"),
        _gauge("in_flight", "requests", "requests at a replica"),
    ),
    "engine": (
        _gauge("up", "ratio", "1 when the replica answered its scrape in time"),
        _gauge("scrape_s", "s", "time the scrape took"),
        _gauge("running", "requests", "requests being processed"),
        _gauge("waiting", "requests", "requests queued inside the engine"),
        _gauge("kv_use_ratio", "ratio", "share of the KV cache in use"),
        _gauge("cpu_ratio", "cores", "cores in use by the process"),
        _gauge("rss_bytes", "bytes", "resident memory of the process", scale=1),
        _gauge("in_flight", "requests", "requests the gateway has at the replica"),
        _gauge("stalled_s", "s", "longest wait for a next byte among requests in flight"),
        _sum("prompt_tokens", "tokens", "prompt tokens processed"),
        _sum("output_tokens", "tokens", "tokens generated"),
        _sum("finished", "requests", "requests finished at the replica"),
        _sum("failed", "requests", "requests failed at the replica"),
        _seconds("ttft_s", "time to first token at this replica", "ttft_spread"),
        _seconds(
            "inter_token_s", "time between output tokens at this replica", "inter_token_spread"
        ),
        _seconds("queue_s", "wait inside the engine before a request is scheduled", "queue_spread"),
        _seconds("prefill_s", "being scheduled to first token", "prefill_spread"),
        _seconds("duration_s", "arrival at the engine to last token", "duration_spread"),
        _gauge("deferred", "requests", "of those waiting, the ones more room would not help"),
        _gauge("kv_capacity_tokens", "tokens", "tokens the KV cache has room for", scale=1),
        _gauge("asleep", "ratio", "1 when the engine has put its weights away"),
        _gauge("prefix_hit_ratio", "ratio", "share of prompt tokens found in the prefix cache"),
        _gauge("spec_accept_ratio", "ratio", "share of speculated tokens that were right"),
        _sum("cached_tokens", "tokens", "prompt tokens found in the prefix cache"),
        _sum("restarts", "restarts", "times its totals began anew: it was started again"),
        _sum("preemptions", "requests", "requests thrown back for want of KV cache"),
        _sum("aborted", "requests", "requests given up before their end"),
        _sum("truncated", "requests", "requests finished at their limit of tokens"),
        _sum("ends", "requests", "answers whose reason to end is known"),
        _sum("answers", "requests", "answers whose length is known"),
        _sum("answer_tokens", "tokens", "tokens of answers whose length is known"),
        _sum("texts", "requests", "answers whose text was looked at"),
        _sum("empty", "requests", "answers looked at that show no text"),
        _sum("stretches", "stretches", "stretches of answers that were looked at"),
        _sum("repeated", "stretches", "stretches of answers that repeat themselves"),
        _sum("corrupted", "requests", "requests whose logits held NaN"),
        _rare("golden_ratio", "ratio", "share of golden prompts answered rightly", scale=1_000_000),
    ),
    "gpu": (
        _gauge("util_ratio", "ratio", "share of time a kernel was resident"),
        _gauge("memory_util_ratio", "ratio", "share of time memory was read or written"),
        _gauge("memory_used_bytes", "bytes", "memory in use", scale=1),
        _gauge("memory_total_bytes", "bytes", "memory installed", scale=1),
        _gauge("power_w", "W", "power drawn", scale=1_000),
        _gauge("power_limit_w", "W", "enforced power limit", scale=1_000),
        _gauge("temperature_c", "°C", "core temperature", scale=1_000),
        _gauge("memory_temperature_c", "°C", "memory temperature", scale=1_000),
        _gauge("sm_clock_mhz", "MHz", "SM clock", scale=1_000),
        _gauge("memory_clock_mhz", "MHz", "memory clock", scale=1_000),
        _gauge("throttle_reasons", "bits", "clocks-event bit mask", scale=1),
        _gauge("ecc_corrected", "errors", "corrected ECC errors, cumulative", scale=1),
        _gauge("ecc_uncorrected", "errors", "uncorrected ECC errors, cumulative", scale=1),
        _gauge("remapped_rows", "rows", "remapped rows, cumulative", scale=1),
        _gauge("pcie_replays", "replays", "PCIe replays, cumulative", scale=1),
        _gauge("nvlink_errors", "errors", "NVLink errors, cumulative", scale=1),
        _gauge("processes", "processes", "processes on the GPU", scale=1),
        _gauge("xid", "code", "XID of an event in the window, 0 for none", scale=1),
        _rare("held_idle_s", "s", "time somebody has held it without work", scale=1_000),
        _rare("sm_active_ratio", "ratio", "share of cycles and SMs with work", scale=1_000_000),
        _rare("tensor_active_ratio", "ratio", "share of tensor cycles in use", scale=1_000_000),
        _rare("encoder_util_ratio", "ratio", "share of time it encoded video", scale=1_000_000),
        _rare("decoder_util_ratio", "ratio", "share of time it decoded video", scale=1_000_000),
        _rare("remap_pending", "flag", "1 when rows wait for a reset to be remapped"),
        _rare("remap_failed", "flag", "1 when a row could not be remapped"),
        _rare("recovery_action", "code", "what the driver asks for, 0 for nothing"),
        _rare("pcie_bytes_per_s", "bytes/s", "sent and received over PCIe"),
        _rare("nvlink_bytes_per_s", "bytes/s", "sent and received over all NVLinks"),
    ),
}

RARE: Final[Mapping[str, tuple[str, ...]]] = {
    kind: tuple(feature.name for feature in features if feature.rare)
    for kind, features in FEATURES.items()
}
"""Gauges that a table lacks where no record had them."""

HISTOGRAM_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One number a window offers: to detectors, sinks, dashboards and the planner."""

    name: str
    unit: str
    feature: str
    how: str
    """`rate`, `mean`, `min`, `max`, `p50`, `p95`, `p99`, or `ratio` (``RATIOS``)."""


def _values_of(feature: Feature) -> tuple[Value, ...]:
    def value(suffix: str, how: str, unit: str = feature.unit) -> Value:
        return Value(name=f"{feature.name}{suffix}", unit=unit, feature=feature.name, how=how)

    match feature.merge:
        case Merge.COUNT | Merge.SUM:
            return (value("_per_s", "rate", f"{feature.unit}/s"),)
        case Merge.GAUGE:
            return value("_mean", "mean"), value("_min", "min"), value("_max", "max")
        case Merge.HISTOGRAM:
            quantiles = (value(f"_{name}", name) for name in HISTOGRAM_QUANTILES)
            return value("_mean", "mean"), *quantiles


def _share(name: str, of: str, unit: str = "ratio") -> Value:
    return Value(name=name, unit=unit, feature=of, how="ratio")


RATIOS: Final[Mapping[str, Mapping[Value, tuple[str, ...]]]] = {
    "request": {_share("error_ratio", "failed"): ("failed", "finished")},
    "engine": {
        _share("truncated_ratio", "truncated"): ("ends",),
        _share("empty_ratio", "empty"): ("texts",),
        _share("repeated_ratio", "repeated"): ("stretches",),
        _share("tokens_per_answer", "answer_tokens", "tokens"): ("answers",),
    },
    "gpu": {},
}
"""By kind: values that are a feature's share in the sum of others; NaN where that is 0."""

VALUES: Final[Mapping[str, tuple[Value, ...]]] = {
    kind: (*(value for feature in features for value in _values_of(feature)), *RATIOS[kind])
    for kind, features in FEATURES.items()
}
"""``streams.windows.values.derive`` gives float64[n] for each; NaN where nothing was seen."""


SILENT: Final = Value(name="silent_s", unit="s", feature="silent", how="silence")
"""Since when a series has been in no window. No window has it; whoever follows series may judge it,
in those where silence is not just that nothing happens."""
WEEK: Final = Value(name="week_s", unit="s", feature="week", how="instant")
"""When in the week a window starts, UTC, from Monday on."""
JUDGED: Final[Mapping[str, tuple[Value, ...]]] = {
    kind: (*values, WEEK) if kind == "request" else (*values, WEEK, SILENT)
    for kind, values in VALUES.items()
}
"""What detectors may look at."""


def find_value(kind: str, name: str) -> Value:
    """Raises KeyError for a value that is not in the catalogue."""
    return {value.name: value for value in JUDGED[kind]}[name]
