"""Names, sorts and defaults of all that can be sent. Generated: ``make docs``."""

# fmt: off
# ruff: noqa: E501

from __future__ import annotations

from typing import Any, NamedTuple

REQUIRED = ...
"""Default of a field that has none."""


class Field(NamedTuple):
    """``sort``: text, whole, number or attributes; ``choices``: a closed set of words."""

    name: str
    sort: str
    default: Any = REQUIRED
    choices: tuple[str, ...] = ()


FIELDS: dict[str, tuple[Field, ...]] = {
    "requests": (
        Field("kind", "text", choices=("arrived", "finished", "rejected", "cancelled", "gauge")),
        Field("at_us", "whole"),
        Field("pool", "text"),
        Field("cluster", "text", "local"),
        Field("model", "text", ""),
        Field("route", "text", ""),
        Field("tenant", "text", ""),
        Field("request_id", "text", ""),
        Field("replica", "text", ""),
        Field("status", "whole", 0),
        Field("reason", "text", ""),
        Field("attempt", "whole", 0),
        Field("prompt_tokens", "whole", 0),
        Field("output_tokens", "whole", 0),
        Field("queue_s", "number", None),
        Field("ttft_s", "number", None),
        Field("inter_token_s", "number", None),
        Field("duration_s", "number", None),
        Field("queued", "number", None),
        Field("in_flight", "number", None),
    ),
    "engine": (
        Field("at_us", "whole"),
        Field("pool", "text"),
        Field("replica", "text"),
        Field("source", "text", "scrape", choices=("scrape", "process", "gateway")),
        Field("cluster", "text", "local"),
        Field("interval_s", "number", 1.0),
        Field("up", "number", None),
        Field("scrape_s", "number", None),
        Field("running", "number", None),
        Field("waiting", "number", None),
        Field("kv_use_ratio", "number", None),
        Field("prompt_tokens", "whole", 0),
        Field("output_tokens", "whole", 0),
        Field("cpu_ratio", "number", None),
        Field("rss_bytes", "number", None),
        Field("in_flight", "number", None),
        Field("stalled_s", "number", None),
        Field("finished", "whole", 0),
        Field("failed", "whole", 0),
        Field("ttft_s", "number", None),
        Field("inter_token_s", "number", None),
    ),
    "gpu": (
        Field("at_us", "whole"),
        Field("node", "text"),
        Field("gpu_uuid", "text"),
        Field("cluster", "text", "local"),
        Field("zone", "text", ""),
        Field("node_group", "text", ""),
        Field("index", "whole", 0),
        Field("model", "text", ""),
        Field("pool", "text", ""),
        Field("replica", "text", ""),
        Field("util_ratio", "number", None),
        Field("memory_util_ratio", "number", None),
        Field("memory_used_bytes", "number", None),
        Field("memory_total_bytes", "number", None),
        Field("power_w", "number", None),
        Field("power_limit_w", "number", None),
        Field("temperature_c", "number", None),
        Field("memory_temperature_c", "number", None),
        Field("sm_clock_mhz", "number", None),
        Field("memory_clock_mhz", "number", None),
        Field("throttle_reasons", "whole", 0),
        Field("ecc_corrected", "number", None),
        Field("ecc_uncorrected", "number", None),
        Field("remapped_rows", "number", None),
        Field("pcie_replays", "number", None),
        Field("nvlink_errors", "number", None),
        Field("processes", "number", None),
        Field("xid", "whole", 0),
    ),
    "changes": (
        Field("id", "text"),
        Field("at_us", "whole"),
        Field("kind", "text", choices=("scaled", "replica_started", "replica_ready", "replica_lost", "replica_stopped", "set_aside", "taken_back", "deployed", "configured", "node_maintenance", "model_loaded", "other")),
        Field("summary", "text"),
        Field("actor", "text", ""),
        Field("cluster", "text", "local"),
        Field("pool", "text", ""),
        Field("replica", "text", ""),
        Field("node", "text", ""),
        Field("attributes", "attributes", {}),
    ),
}
