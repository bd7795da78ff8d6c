"""AMD GPUs of this node through AMD SMI, from ROCm's library to GpuSample."""

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.log import get_logger
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import GpuSample
from streams.sources.gpu_idle import IdleMeter
from streams.sources.gpu_names import MIB
from streams.sources.gpu_owner import Owners

OPEN_EVERY_US: Final = 10 * SECOND_US
"""How often we look whether a driver came back."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Gpu:
    """What never changes about a GPU, read once."""

    handle: Any
    index: int
    uuid: str
    model: str


class AmdSource:
    """One sample per GPU and reading; silent, once said, where there is no driver.

    What a GPU or a version of ROCm does not offer is missing; throttling always is, as reading it
    takes 100 ms a GPU. ``remapped_rows`` are retired pages.

    smi: the module `amdsmi`, or one that does the same.
    """

    def __init__(
        self, *, cluster: str, node: str, smi: Any = None, owners: Owners | None = None
    ) -> None:
        self._smi = smi or _imported()
        self._place: Any = {"cluster": cluster, "node": node}
        self._owners = owners or Owners()
        self._idle = IdleMeter()
        self._gpus: list[_Gpu] = []
        self._open_at_us = 0
        self.absent = ""
        """Why there is no GPU, as far as we know."""

    async def read(self, replicas: Sequence[ReplicaStatus], now_us: int) -> Sequence[GpuSample]:
        return await asyncio.to_thread(self._read, replicas, now_us)

    async def close(self) -> None:
        if self._gpus:
            self._ask("amdsmi_shut_down")
        self._gpus = []

    def _read(self, replicas: Sequence[ReplicaStatus], now_us: int) -> list[GpuSample]:
        if not self._gpus and now_us >= self._open_at_us:
            self._open_at_us = now_us + OPEN_EVERY_US
            self._gpus = self._open()
        here = (replica for replica in replicas if replica.node == self._place["node"])
        by_pid = {replica.pid: replica for replica in here if replica.pid}
        samples = [self._sample(gpu, by_pid, now_us) for gpu in self._gpus]
        if samples and all(sample.memory_total_bytes is None for sample in samples):
            self._gpus = []  # Not one GPU answers: the driver went away.
        return self._idle.judged(samples)

    def _open(self) -> list[_Gpu]:
        smi = self._smi
        try:
            smi.amdsmi_init()
            handles = smi.amdsmi_get_processor_handles()
        except smi.AmdSmiException as exc:
            if str(exc) != self.absent:
                log.info("no_amd_gpu_metrics", cause=str(exc))
            self.absent = str(exc)
            return []
        return [self._identified(index, handle) for index, handle in enumerate(handles)]

    def _identified(self, index: int, handle: Any) -> _Gpu:
        uuid = self._ask("amdsmi_get_gpu_device_uuid", handle) or f"amd-{index}"
        asic = self._ask("amdsmi_get_gpu_asic_info", handle) or {}
        return _Gpu(handle, index, str(uuid), str(asic.get("market_name", "")))

    def _sample(self, gpu: _Gpu, by_pid: Mapping[int, ReplicaStatus], now_us: int) -> GpuSample:
        processes = self._ask("amdsmi_get_gpu_process_list", gpu.handle)
        pids = sorted({process["pid"] for process in processes or ()})
        replica = next((by_pid[pid] for pid in pids if pid in by_pid), None)
        return GpuSample(
            at_us=now_us,
            **self._place,
            gpu_uuid=gpu.uuid,
            index=gpu.index,
            model=gpu.model,
            pool=replica.pool if replica else "",
            replica=replica.replica if replica else "",
            owner=self._owners.of(pids),
            processes=None if processes is None else float(len(pids)),
            **self._measured(gpu.handle),
        )

    def _measured(self, handle: Any) -> dict[str, Any]:
        smi, clocks, sensors = self._smi, self._smi.AmdSmiClkType, self._smi.AmdSmiTemperatureType
        use = self._ask("amdsmi_get_gpu_activity", handle)
        memory = self._ask("amdsmi_get_gpu_vram_usage", handle)
        power = self._ask("amdsmi_get_power_info", handle)
        ecc = self._ask("amdsmi_get_gpu_total_ecc_count", handle)
        link = (self._ask("amdsmi_get_pcie_info", handle) or {}).get("pcie_metric")
        energy = self._ask("amdsmi_get_energy_count", handle) or {}
        steps, step_uj = energy.get("energy_accumulator"), energy.get("counter_resolution")
        pages = self._ask("amdsmi_get_gpu_bad_page_info", handle)
        now = smi.AmdSmiTemperatureMetric.CURRENT
        edge, hotspot, vram = (
            _number(self._ask("amdsmi_get_temp_metric", handle, sensor, now))
            for sensor in (sensors.EDGE, sensors.HOTSPOT, sensors.VRAM)
        )
        return {
            "util_ratio": _of(use, "gfx_activity", per=100),
            "memory_util_ratio": _of(use, "umc_activity", per=100),
            # One figure for what encodes and what decodes.
            "decoder_util_ratio": _of(use, "mm_activity", per=100),
            "memory_used_bytes": _of(memory, "vram_used", per=1 / MIB),
            "memory_total_bytes": _of(memory, "vram_total", per=1 / MIB),
            "power_w": _of(power, "socket_power", "current_socket_power", "average_socket_power"),
            "power_limit_w": _of(power, "power_limit"),
            "energy_j": steps * step_uj / 1e6 if steps and step_uj else None,
            # Accelerators have no sensor at the edge.
            "temperature_c": edge or hotspot,
            "memory_temperature_c": vram,
            "sm_clock_mhz": _of(self._ask("amdsmi_get_clock_info", handle, clocks.GFX), "clk"),
            "memory_clock_mhz": _of(self._ask("amdsmi_get_clock_info", handle, clocks.MEM), "clk"),
            "ecc_corrected": _of(ecc, "correctable_count"),
            "ecc_uncorrected": _of(ecc, "uncorrectable_count"),
            "remapped_rows": None if not isinstance(pages, list) else float(len(pages)),
            "pcie_replays": _of(link, "pcie_replay_count"),
        }

    def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            return getattr(self._smi, name)(*arguments)
        except (self._smi.AmdSmiException, AttributeError):
            return None  # Not on this GPU, or not in this version.


def _imported() -> Any:
    try:
        return importlib.import_module("amdsmi")
    except (ImportError, OSError, KeyError, AttributeError) as exc:
        # Without ROCm's library the module prints a line and fails on the first name it looks for.
        needed = "installed from the ROCm of this node: pip install /opt/rocm/share/amd_smi"
        raise InvalidParameterError("amdsmi", type(exc).__name__, needed) from exc


def _of(found: Mapping[str, Any] | None, *names: str, per: float = 1) -> float | None:
    """The first of ``names`` that is a number; AMD SMI says `N/A` where there is none."""
    numbers = (_number((found or {}).get(name)) for name in names)
    known = next((number for number in numbers if number is not None), None)
    return None if known is None else known / per


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
