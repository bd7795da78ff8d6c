"""A library object that answers as NVML does, GPU by GPU and call by call."""

# ruff: noqa: N802 - the names are NVML's

from collections import deque
from types import SimpleNamespace
from typing import Any

import pynvml

GPU: dict[str, Any] = {
    "UUID": "GPU-1",
    "Name": "NVIDIA H200",
    "UtilizationRates": SimpleNamespace(gpu=63, memory=20),
    "MemoryInfo": SimpleNamespace(total=150_000_000_000, used=90_000_000_000),
    "PowerUsage": 512_300,
    "EnforcedPowerLimit": 700_000,
    "Temperature": 61,
    "ClockInfo": {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 3201},
    "CurrentClocksEventReasons": 0x40,
    "TotalEccErrors": {0: 3, 1: 0},
    "RemappedRows": (1, 2, 0, 0),
    "PcieReplayCounter": 4,
    "ComputeRunningProcesses": [SimpleNamespace(pid=77, usedGpuMemory=None)],
    "fields": {pynvml.NVML_FI_DEV_MEMORY_TEMP: 70, 38: 1, 52: 2},
}


class FakeNvml:
    """``gpus``: answers per GPU; an answer that is an error code is raised as NVML would.

    Names and constants that are not here are pynvml's own.
    """

    def __init__(self, *gpus: dict[str, Any], init: int = 0) -> None:
        self.gpus = list(gpus)
        self.events: deque[SimpleNamespace] = deque()
        self._init = init

    def __getattr__(self, name: str) -> Any:
        if name.startswith("nvmlDeviceGet"):
            return lambda handle, *_, **__: self._answer(handle, name.removeprefix("nvmlDeviceGet"))
        return getattr(pynvml, name)

    def nvmlInit(self) -> None:
        self._raise(self._init)

    def nvmlShutdown(self) -> None:
        self.gpus = []

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetClockInfo(self, handle: int, clock: int) -> Any:
        return self._answer(handle, "ClockInfo")[clock]

    def nvmlDeviceGetTotalEccErrors(self, handle: int, kind: int, _: int) -> Any:
        return self._answer(handle, "TotalEccErrors")[kind]

    def nvmlDeviceGetFieldValues(self, handle: int, ids: list[int]) -> list[SimpleNamespace]:
        known = self._answer(handle, "fields")
        return [
            SimpleNamespace(
                nvmlReturn=pynvml.NVML_SUCCESS if i in known else pynvml.NVML_ERROR_NOT_SUPPORTED,
                valueType=pynvml.NVML_VALUE_TYPE_UNSIGNED_INT,
                value=SimpleNamespace(uiVal=known.get(i, 0)),
            )
            for i in ids
        ]

    def nvmlEventSetCreate(self) -> str:
        return "events"

    def nvmlDeviceRegisterEvents(self, *_: object) -> None:
        """All kinds are registered."""

    def nvmlEventSetWait_v2(self, *_: object) -> SimpleNamespace:
        if not self.events:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)
        return self.events.popleft()

    def _answer(self, handle: int, name: str) -> Any:
        if name not in self.gpus[handle]:
            self._raise(pynvml.NVML_ERROR_NOT_SUPPORTED)
        answer = self.gpus[handle][name]
        if isinstance(answer, pynvml.NVMLError):
            raise answer
        return answer

    @staticmethod
    def _raise(code: int) -> None:
        if code:
            raise pynvml.NVMLError(code)
