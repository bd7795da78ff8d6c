"""A dcgm-exporter's page, written from its published names; a test sets what it shows."""

from collections.abc import Mapping
from typing import Any

USUAL: Mapping[str, Any] = {
    "GPU_UTIL": 63,
    "FB_USED": 40_000,
    "FB_FREE": 40_000,
    "POWER_USAGE": 512,
    "GPU_TEMP": 61,
    "XID_ERRORS": 0,
}


def page(*gpus: str, node: str = "n1", more: Mapping[str, Any] | None = None) -> str:
    """``more`` fields without `DCGM_FI_DEV_`, beside the usual ones or instead of them."""
    text = ""
    for name, value in {**USUAL, **(more or {})}.items():
        text += f"# TYPE DCGM_FI_DEV_{name} gauge\n"
        for index, uuid in enumerate(gpus):
            labels = (
                f'gpu="{index}",UUID="{uuid}",device="nvidia{index}",modelName="NVIDIA H100",'
                f'Hostname="{node}",container="main",namespace="ml",pod="chat-{index}"'
            )
            text += f"DCGM_FI_DEV_{name}{{{labels}}} {value}\n"
    return text
