"""NVIDIA GPUs of this node through NVML, from the driver's library to GpuSample."""

import asyncio
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streams.log import get_logger
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import GpuSample

FELL_OFF_THE_BUS: Final = 79
"""The XID that says what NVML's GPU_IS_LOST says; the driver may be unable to send the event."""
MAX_EVENTS: Final = 64
"""XID events read per look; a storm of them says no more than the first few."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Gpu:
    """What never changes about a GPU, read once."""

    handle: Any
    index: int
    uuid: str
    model: str


class NvmlSource:
    """One sample per GPU and reading; silent, once said, where there is no driver.

    A value that the GPU does not support is missing. A lost GPU is reported as XID 79.

    nvml: the module `pynvml`, or one that does the same.
    """

    def __init__(self, *, cluster: str, node: str, zone: str = "", nvml: Any = None) -> None:
        self._nvml = nvml or importlib.import_module("pynvml")
        self._cluster = cluster
        self._node = node
        self._zone = zone
        self._gpus: list[_Gpu] | None = None
        self._events: Any = None

    async def read(self, replicas: Sequence[ReplicaStatus], now_us: int) -> Sequence[GpuSample]:
        return await asyncio.to_thread(self._read, replicas, now_us)

    async def close(self) -> None:
        if self._gpus:
            self._optional(self._nvml.nvmlShutdown)
        self._gpus = []

    def _read(self, replicas: Sequence[ReplicaStatus], now_us: int) -> list[GpuSample]:
        if self._gpus is None:
            self._gpus = self._open()
        by_pid = {replica.pid: replica for replica in replicas if replica.node == self._node}
        xids = self._xids() if self._gpus else {}
        return [self._sample(gpu, by_pid, xids.get(gpu.uuid, 0), now_us) for gpu in self._gpus]

    def _open(self) -> list[_Gpu]:
        nvml = self._nvml
        try:
            nvml.nvmlInit()
            count = int(nvml.nvmlDeviceGetCount())
        except nvml.NVMLError as exc:
            log.info("no_gpu_metrics", cause=str(exc))
            return []
        self._events = self._optional(nvml.nvmlEventSetCreate)
        found = (self._identify(index) for index in range(count))
        return [gpu for gpu in found if gpu]

    def _identify(self, index: int) -> _Gpu | None:
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid, model = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
        except nvml.NVMLError as exc:
            log.warning("gpu_unreadable", index=index, cause=str(exc))
            return None
        if self._events is not None:
            self._optional(lambda: self._register(handle))
        return _Gpu(handle, index, _text(uuid), _text(model))

    def _register(self, handle: Any) -> None:
        kind = self._nvml.nvmlEventTypeXidCriticalError
        self._nvml.nvmlDeviceRegisterEvents(handle, kind, self._events)

    def _sample(
        self, gpu: _Gpu, by_pid: dict[int, ReplicaStatus], xid: int, now_us: int
    ) -> GpuSample:
        known = GpuSample(
            at_us=now_us,
            cluster=self._cluster,
            node=self._node,
            zone=self._zone,
            gpu_uuid=gpu.uuid,
            index=gpu.index,
            model=gpu.model,
            xid=xid,
        )
        try:
            return self._measured(known, gpu.handle, by_pid)
        except self._nvml.NVMLError_GpuIsLost:
            return known.but(xid=xid or FELL_OFF_THE_BUS)

    def _measured(
        self, known: GpuSample, handle: Any, by_pid: dict[int, ReplicaStatus]
    ) -> GpuSample:
        nvml, ask = self._nvml, self._optional
        use = ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        memory = ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2))
        processes = ask(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        rows = ask(lambda: nvml.nvmlDeviceGetRemappedRows(handle))
        owner = next((by_pid[p.pid] for p in processes or () if p.pid in by_pid), None)
        return known.but(
            pool=owner.pool if owner else "",
            replica=owner.replica if owner else "",
            util_ratio=None if use is None else use.gpu / 100,
            memory_util_ratio=None if use is None else use.memory / 100,
            memory_used_bytes=None if memory is None else float(memory.used),
            memory_total_bytes=None if memory is None else float(memory.total),
            power_w=_over(1000, ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle))),
            power_limit_w=_over(1000, ask(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))),
            temperature_c=_over(
                1, ask(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
            ),
            memory_temperature_c=self._fields(handle, [nvml.NVML_FI_DEV_MEMORY_TEMP]),
            sm_clock_mhz=_over(
                1, ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM))
            ),
            memory_clock_mhz=_over(
                1, ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM))
            ),
            throttle_reasons=ask(lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)) or 0,
            ecc_corrected=self._ecc(handle, nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
            ecc_uncorrected=self._ecc(handle, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
            remapped_rows=None if rows is None else float(rows[0] + rows[1]),
            pcie_replays=_over(1, ask(lambda: nvml.nvmlDeviceGetPcieReplayCounter(handle))),
            nvlink_errors=self._fields(
                handle,
                [
                    nvml.NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL,
                    nvml.NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL,
                    nvml.NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL,
                ],
            ),
            processes=None if processes is None else float(len(processes)),
        )

    def _ecc(self, handle: Any, kind: int) -> float | None:
        nvml = self._nvml
        total = self._optional(
            lambda: nvml.nvmlDeviceGetTotalEccErrors(handle, kind, nvml.NVML_VOLATILE_ECC)
        )
        return _over(1, total)

    def _fields(self, handle: Any, ids: list[int]) -> float | None:
        """Sum of the field values that the GPU supports; each has a return code of its own."""
        values = self._optional(lambda: self._nvml.nvmlDeviceGetFieldValues(handle, ids)) or ()
        good = [_number(self._nvml, v) for v in values if v.nvmlReturn == self._nvml.NVML_SUCCESS]
        return sum(good) if good else None

    def _xids(self) -> dict[str, int]:
        """XID per GPU of the events since the last look; of several the first."""
        nvml, found = self._nvml, dict[str, int]()
        for _ in range(MAX_EVENTS if self._events is not None else 0):
            try:
                event = nvml.nvmlEventSetWait_v2(self._events, 0)
                uuid = _text(nvml.nvmlDeviceGetUUID(event.device))
            except nvml.NVMLError:
                # Waiting 0 ms times out when there is nothing more.
                break
            found.setdefault(uuid, int(event.eventData))
        return found

    def _optional(self, ask: Callable[[], Any]) -> Any:
        """The answer, or None if this GPU or driver has none; a lost GPU is no such case."""
        try:
            return ask()
        except self._nvml.NVMLError_GpuIsLost:
            raise
        except self._nvml.NVMLError:
            return None


def _over(divisor: int, value: float | None) -> float | None:
    return None if value is None else value / divisor


def _number(nvml: Any, value: Any) -> float:
    """A field value lies in a union whose member its ``valueType`` names."""
    members = {
        nvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
        nvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
        nvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
        nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
        nvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
    }
    return float(getattr(value.value, members.get(value.valueType, "ullVal")))


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
