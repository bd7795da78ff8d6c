"""Names of metrics as collectors and senders change them in, names as the engine says them out."""

import re
from collections.abc import Mapping
from typing import Final

from streams.sources import gpu_names
from streams.sources.vocabulary import COUNTERS, EVERYTHING, STARTED, TIMINGS

TOTALS: Final = frozenset(
    [
        *(one.name for found in COUNTERS.values() for one in found),
        *(part for found in TIMINGS.values() for timing in found for part in timing.parts),
    ]
)
"""What engines count since their start."""
HISTOGRAM_PARTS: Final = ("_sum", "_count", "_bucket")

_SAID_BY_OTEL: Final[Mapping[str, str]] = {
    # The conventions for servers of models, in the words of an engine that the vocabulary knows.
    "gen_ai.server.time_to_first_token": "vllm:time_to_first_token_seconds",
    "gen_ai.server.time_per_output_token": "vllm:inter_token_latency_seconds",
}


def _loose(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name)


def _whole(name: str) -> str:
    """Of a part of a histogram."""
    return next((name.removesuffix(p) for p in HISTOGRAM_PARTS if name.endswith(p)), name)


_KNOWN: Final[Mapping[str, str]] = {
    **{_loose(_whole(name)): _whole(name) for name in EVERYTHING},
    **{_loose(name.removesuffix("_total")): name for name in EVERYTHING},
    **{_loose(name): name for name in EVERYTHING},
    **{_loose(name): said for name, said in _SAID_BY_OTEL.items()},
    STARTED: STARTED,
}


def engine_name(name: str) -> str | None:
    """What an engine calls it on the wire, or dcgm-exporter; None if none does.

    >>> engine_name("vllm.num_requests_running"), engine_name("vllm:prompt_tokens")
    ('vllm:num_requests_running', 'vllm:prompt_tokens_total')
    >>> engine_name("vllm_time_to_first_token_seconds_sum"), engine_name("go_gc_seconds")
    ('vllm:time_to_first_token_seconds_sum', None)
    >>> engine_name("vllm.time_to_first_token_seconds"), engine_name("tgi_request_success")
    ('vllm:time_to_first_token_seconds', 'tgi_request_success')
    """
    if name in gpu_names.NAMES:
        return name
    loose = _loose(name)
    if loose in _KNOWN:
        return _KNOWN[loose]
    for part in HISTOGRAM_PARTS:
        whole = _KNOWN.get(loose.removesuffix(part)) if loose.endswith(part) else None
        if whole is not None:
            return whole + part
    return None
