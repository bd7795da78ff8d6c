"""A library object that answers as NVML does, GPU by GPU and call by call."""

# ruff: noqa: N802 - the names are NVML's

import inspect
from collections import deque
from types import SimpleNamespace
from typing import Any

import pynvml

GPU: dict[str, Any] = {
    "UUID": "GPU-1",
    "Name": "NVIDIA H200",
    "UtilizationRates": SimpleNamespace(gpu=63, memory=20),
    "EncoderUtilization": [7, 167_000],
    "DecoderUtilization": [0, 167_000],
    "MemoryInfo": SimpleNamespace(total=150_000_000_000, used=90_000_000_000),
    "PowerUsage": 512_300,
    "EnforcedPowerLimit": 700_000,
    "TotalEnergyConsumption": 9_000_500,
    "TemperatureV": 61,
    "ClockInfo": {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 3201},
    "CurrentClocksEventReasons": 0x40,
    "TotalEccErrors": {(0, 0): 3, (1, 0): 0, (0, 1): 11, (1, 1): 1},
    "RemappedRows": (1, 2, 1, 0),
    "PcieReplayCounter": 4,
    "ComputeRunningProcesses": [SimpleNamespace(pid=77, usedGpuMemory=None)],
    "GraphicsRunningProcesses": [SimpleNamespace(pid=77), SimpleNamespace(pid=78)],
    "MigMode": [0, 0],
    "FieldValues": {
        pynvml.NVML_FI_DEV_MEMORY_TEMP: 70,
        38: 1,
        52: 2,
        pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION: 0,
        (pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, 0): 1_000,
        (pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, 0xFFFFFFFF): 10,
    },
}

OLD_GPU: dict[str, Any] = {
    "UUID": b"GPU-2",
    "Name": b"Tesla P40",
    "UtilizationRates": SimpleNamespace(gpu=5, memory=1),
    "MemoryInfo_v1": SimpleNamespace(total=24_000, used=600),
    "Temperature": 50,
    "CurrentClocksThrottleReasons": 0x1,
}
"""Under a driver without the newer functions and without field values."""

MIG: dict[str, Any] = {
    "UUID": "MIG-1",
    "Name": "NVIDIA H200 MIG 1g.18gb",
    "MemoryInfo": SimpleNamespace(total=18_000, used=9_000),
    "ComputeRunningProcesses": [SimpleNamespace(pid=78, usedGpuMemory=None)],
    "GpuInstanceId": 3,
}


class FakeNvml:
    """``gpus``: answers per GPU; an answer that is an error code is raised as NVML would.

    Names and constants that are not here are pynvml's own, and each call is held against the
    signature of pynvml's function.
    """

    def __init__(self, *gpus: dict[str, Any], init: int = 0) -> None:
        self.gpus = list(gpus)
        self.events: deque[SimpleNamespace] = deque()
        self.init = init
        self.opened = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(pynvml, name)
        if not name.startswith("nvmlDeviceGet"):
            return real

        def call(*arguments: Any, **options: Any) -> Any:
            inspect.signature(real).bind(*arguments, **options)
            return self._called(name.removeprefix("nvmlDeviceGet"), *arguments, **options)

        return call

    def nvmlInit(self) -> None:
        self._raise(self.init)
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self._raise(self.init)

    def nvmlEventSetCreate(self) -> str:
        return "events"

    def nvmlEventSetFree(self, events: str) -> None:
        assert events == "events"

    def nvmlDeviceRegisterEvents(self, *_: object) -> None:
        """All kinds are registered."""

    def nvmlEventSetWait_v2(self, *_: object) -> SimpleNamespace:
        if not self.events:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)
        return self.events.popleft()

    def _called(self, name: str, *arguments: Any, **options: Any) -> Any:
        self._raise(self.init)
        if name == "Count":
            return len(self.gpus)
        if name == "HandleByIndex":
            return self.gpus[arguments[0]]
        gpu, *more = arguments
        answer = self._answer(gpu, f"{name}_v1" if name == "MemoryInfo" and not options else name)
        if name == "FieldValues":
            return _field_values(answer, more[0])
        return self._answer(answer, *more) if isinstance(answer, dict) else answer

    def _answer(self, answers: dict[Any, Any], *names: Any) -> Any:
        self._raise(answers.get("lost", 0))
        name = names if len(names) > 1 else names[0]
        if name not in answers:
            self._raise(pynvml.NVML_ERROR_NOT_SUPPORTED)
        answer = answers[name]
        if isinstance(answer, pynvml.NVMLError):
            raise answer
        return answer

    @staticmethod
    def _raise(code: int) -> None:
        if code:
            raise pynvml.NVMLError(code)


def _field_values(known: dict[Any, int], ids: list[Any]) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(
            fieldId=each[0] if isinstance(each, tuple) else each,
            nvmlReturn=pynvml.NVML_SUCCESS if each in known else pynvml.NVML_ERROR_NOT_SUPPORTED,
            valueType=pynvml.NVML_VALUE_TYPE_UNSIGNED_INT,
            value=SimpleNamespace(uiVal=known.get(each, 0)),
        )
        for each in ids
    ]
