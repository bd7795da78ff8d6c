"""Names of metrics in, who says them out, as people call it."""

from collections.abc import Iterable, Mapping
from typing import Final

READ: Final[Mapping[str, str]] = {
    "vllm:": "vLLM",
    "sglang:": "SGLang",
    "trtllm_": "TensorRT-LLM",
    "tgi_": "TGI",
    "llamacpp:": "llama.cpp",
    "nv_": "Triton",
    "tidegate_replica_": "Tidegate replica",
    "DCGM_": "dcgm-exporter",
    **dict.fromkeys(
        ("gpu_gfx_activity", "gpu_used_vram", "amd_gpu_gfx_activity", "amd_gpu_used_vram"),
        "AMD's device-metrics-exporter",
    ),
}
"""Beginning of a series' name -> who uses it; what stands before one of the others comes later."""
_OTHERS: Final = {
    "node_": "node_exporter",
    "amd_": "an exporter of AMD GPUs",
    "kube_": "kube-state-metrics",
    "prometheus_": "Prometheus about itself",
}


def said_by(names: Iterable[str]) -> str:
    """Who uses series of these names; empty if we know nobody who does.

    >>> said_by(["tidegate_replica_requests_running", "llamacpp:requests_processing"])
    'llama.cpp behind a Tidegate replica'
    >>> said_by(["node_load1"]), said_by(["up"])
    ('node_exporter', '')
    """
    whole = set(names)
    for titles in (READ, _OTHERS):
        found = dict.fromkeys(
            title for start, title in titles.items() if any(n.startswith(start) for n in whole)
        )
        if found:
            return " behind a ".join(found)
    return ""
