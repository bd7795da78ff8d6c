"""One time of the driver being there: its GPUs, their MIG instances, their XID events."""

from dataclasses import dataclass
from typing import Any, Final

from streams.sources.nvml_values import Asking

MAX_EVENTS: Final = 64
"""XID events read per look; a storm of them says no more than the first few."""
_WHOLE_GPU: Final = 0xFFFFFFFF
"""The instance of an event that is of no MIG instance."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """What never changes about a GPU or, with a ``parent_uuid``, about a MIG instance."""

    handle: Any
    index: int
    uuid: str
    model: str
    parent_uuid: str = ""
    instance: int = _WHOLE_GPU


class Session:
    """From `nvmlInit` to `nvmlShutdown`. Raises NVMLError where there is no driver."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask
        ask.nvml.nvmlInit()
        self._events = ask("nvmlEventSetCreate")
        self._registered: set[str] = set()

    def close(self) -> None:
        nvml = self._ask.nvml
        for name, arguments in (("nvmlEventSetFree", [self._events]), ("nvmlShutdown", [])):
            try:
                getattr(nvml, name)(*arguments)
            except nvml.NVMLError:
                continue  # The driver went first.

    def look(self) -> list[Gpu]:
        """All that can be identified now, the parts of a GPU after it."""
        count = int(self._ask.nvml.nvmlDeviceGetCount())
        found: list[Gpu] = []
        for index in range(count):
            gpu = self._gpu(index)
            if gpu is not None:
                found += [gpu, *self._parts(gpu)]
        return found

    def xids(self, gpus: list[Gpu]) -> dict[str, int]:
        """By GPU or instance, the events since the last call; of several on one the first."""
        nvml, found = self._ask.nvml, dict[str, int]()
        part_of = {(gpu.parent_uuid, gpu.instance): gpu.uuid for gpu in gpus if gpu.parent_uuid}
        for _ in range(MAX_EVENTS if self._events is not None else 0):
            try:
                event = nvml.nvmlEventSetWait_v2(self._events, 0)
                uuid = _text(nvml.nvmlDeviceGetUUID(event.device))
            except nvml.NVMLError:
                break  # Waiting 0 ms times out when there is nothing more.
            where = part_of.get((uuid, event.gpuInstanceId), uuid)
            found.setdefault(where, int(event.eventData))
        return found

    def _gpu(self, index: int) -> Gpu | None:
        nvml = self._ask.nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = _text(nvml.nvmlDeviceGetUUID(handle))
            model = _text(nvml.nvmlDeviceGetName(handle))
        except self._ask.gone:
            raise
        except nvml.NVMLError:
            return None  # It is lost, or not ours to see.
        self._register(handle, uuid)
        return Gpu(handle, index, uuid, model)

    def _register(self, handle: Any, uuid: str) -> None:
        if uuid not in self._registered and self._events is not None:
            self._registered.add(uuid)
            kind = self._ask.nvml.nvmlEventTypeXidCriticalError
            self._ask("nvmlDeviceRegisterEvents", handle, kind, self._events)

    def _parts(self, gpu: Gpu) -> list[Gpu]:
        mode = self._ask("nvmlDeviceGetMigMode", gpu.handle)
        most = self._ask("nvmlDeviceGetMaxMigDeviceCount", gpu.handle) if mode and mode[0] else 0
        found = (self._part(gpu, number) for number in range(most or 0))
        return [part for part in found if part]

    def _part(self, gpu: Gpu, number: int) -> Gpu | None:
        handle = self._ask("nvmlDeviceGetMigDeviceHandleByIndex", gpu.handle, number)
        if handle is None:
            return None  # As many as there are, not as many as there could be.
        uuid = _text(self._ask("nvmlDeviceGetUUID", handle) or f"{gpu.uuid}/{number}")
        model = _text(self._ask("nvmlDeviceGetName", handle) or gpu.model)
        instance = self._ask("nvmlDeviceGetGpuInstanceId", handle)
        instance = _WHOLE_GPU if instance is None else instance
        return Gpu(handle, gpu.index, uuid, model, gpu.uuid, instance)


def _text(name: str | bytes) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
