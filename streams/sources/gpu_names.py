"""What exporters of GPUs call the quantities of ``GpuSample``: dcgm-exporter, and AMD's.

AMD's device-metrics-exporter (ROCm/device-metrics-exporter@0778d3a, names in
`pkg/amdgpu/gpuagent/gpuagent_gpu_metrics.go`, units in `docs/configuration/metricslist.md`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Meaning:
    """Which field a metric adds to, and what a unit of it is worth in ours."""

    field: str
    factor: float = 1.0


MIB: Final = 1024 * 1024
_PERCENT: Final = 0.01
BOARD: Final[Mapping[str, Meaning]] = {
    "DCGM_FI_DEV_MEM_COPY_UTIL": Meaning("memory_util_ratio", _PERCENT),
    "DCGM_FI_DEV_ENC_UTIL": Meaning("encoder_util_ratio", _PERCENT),
    "DCGM_FI_DEV_DEC_UTIL": Meaning("decoder_util_ratio", _PERCENT),
    "DCGM_FI_DEV_POWER_USAGE": Meaning("power_w"),
    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT": Meaning("power_limit_w"),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": Meaning("energy_j", 0.001),
    "DCGM_FI_DEV_GPU_TEMP": Meaning("temperature_c"),
    "DCGM_FI_DEV_MEMORY_TEMP": Meaning("memory_temperature_c"),
    "DCGM_FI_DEV_SM_CLOCK": Meaning("sm_clock_mhz"),
    "DCGM_FI_DEV_MEM_CLOCK": Meaning("memory_clock_mhz"),
    # The newer name and the older one of the same mask.
    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": Meaning("throttle_reasons"),
    "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS": Meaning("throttle_reasons"),
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": Meaning("ecc_corrected"),
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": Meaning("ecc_uncorrected"),
    "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL": Meaning("ecc_corrected_lifetime"),
    "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL": Meaning("ecc_uncorrected_lifetime"),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": Meaning("remapped_rows"),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": Meaning("remapped_rows"),
    "DCGM_FI_DEV_ROW_REMAP_PENDING": Meaning("remap_pending"),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": Meaning("remap_failed"),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": Meaning("pcie_replays"),
    "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": Meaning("nvlink_errors"),
    "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": Meaning("nvlink_errors"),
    "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": Meaning("nvlink_errors"),
    "DCGM_FI_PROF_PCIE_TX_BYTES": Meaning("pcie_bytes_per_s"),
    "DCGM_FI_PROF_PCIE_RX_BYTES": Meaning("pcie_bytes_per_s"),
    "DCGM_FI_PROF_NVLINK_TX_BYTES": Meaning("nvlink_bytes_per_s"),
    "DCGM_FI_PROF_NVLINK_RX_BYTES": Meaning("nvlink_bytes_per_s"),
    "DCGM_FI_DEV_XID_ERRORS": Meaning("xid"),
    # Which of these two there is depends on the generation; the third stands for both.
    "gpu_package_power": Meaning("power_w"),
    "gpu_average_package_power": Meaning("power_w"),
    "gpu_power_usage": Meaning("power_w"),
    "gpu_energy_consumed": Meaning("energy_j", 1e-6),
    "gpu_edge_temperature": Meaning("temperature_c"),
    "gpu_junction_temperature": Meaning("temperature_c"),
    "gpu_memory_temperature": Meaning("memory_temperature_c"),
    "gpu_clock/system": Meaning("sm_clock_mhz"),
    "gpu_clock/memory": Meaning("memory_clock_mhz"),
    "gpu_ecc_correct_total": Meaning("ecc_corrected"),
    "gpu_ecc_uncorrect_total": Meaning("ecc_uncorrected"),
    "pcie_replay_count": Meaning("pcie_replays"),
}
INSTANCE: Final[Mapping[str, Meaning]] = {
    "DCGM_FI_DEV_GPU_UTIL": Meaning("util_ratio", _PERCENT),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": Meaning("engine_active"),
    "DCGM_FI_PROF_SM_ACTIVE": Meaning("sm_active_ratio"),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": Meaning("tensor_active_ratio"),
    "DCGM_FI_PROF_DRAM_ACTIVE": Meaning("memory_active"),
    "DCGM_FI_DEV_FB_USED": Meaning("used", MIB),
    "DCGM_FI_DEV_FB_FREE": Meaning("free", MIB),
    "DCGM_FI_DEV_FB_RESERVED": Meaning("reserved", MIB),
    "gpu_gfx_activity": Meaning("util_ratio", _PERCENT),
    "gpu_umc_activity": Meaning("memory_util_ratio", _PERCENT),
    "gpu_used_vram": Meaning("used", MIB),
    "gpu_total_vram": Meaning("total", MIB),
}
_AMD: Final = frozenset(
    name.partition("/")[0] for name in (*BOARD, *INSTANCE) if not name.startswith("DCGM_")
)
NAMES: Final = frozenset(
    name for name in (*BOARD, *INSTANCE) if name.startswith("DCGM_")
) | _AMD.union(f"amd_{name}" for name in _AMD)
"""Of all metrics that are read. AMD's operator sets its prefix, the exporter alone has none."""
WANTED: Final = tuple(sorted(NAMES))
"""Beginnings of the lines that matter, for ``prometheus_text.parse``."""


def name_of(name: str, labels: Mapping[str, str]) -> str:
    """As it stands in the tables: without a prefix, and with the clock that a clock's line is of.

    >>> name_of("amd_gpu_clock", {"clock_type": "GPU_CLOCK_TYPE_SYSTEM"})
    'gpu_clock/system'
    """
    plain = name.removeprefix("amd_")
    if plain != "gpu_clock":
        return plain
    return f"{plain}/{labels.get('clock_type', '').rpartition('_')[2].lower()}"
