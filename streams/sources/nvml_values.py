"""What NVML says of one GPU or MIG instance, in the words of GpuSample."""

from collections.abc import Iterable, Sequence
from typing import Any

from streams.sources.gpu_rates import GpuRates


class Asking:
    """Calls NVML by name; what a GPU or an older driver does not offer is None.

    ``gone``: errors that say the driver itself went away, ``lost``: that this GPU did. Both pass.

    nvml: the module `pynvml`, or one that does the same.
    """

    def __init__(self, nvml: Any) -> None:
        self.nvml = nvml
        self.gone = (
            nvml.NVMLError_Uninitialized,
            nvml.NVMLError_DriverNotLoaded,
            nvml.NVMLError_LibRmVersionMismatch,
        )
        self.lost = (nvml.NVMLError_GpuIsLost, nvml.NVMLError_ResetRequired)

    def __call__(self, name: str, *arguments: Any, **options: Any) -> Any:
        try:
            return getattr(self.nvml, name)(*arguments, **options)
        except (*self.gone, *self.lost):
            raise
        except (self.nvml.NVMLError, self.nvml.NVMLLibraryMismatchError):
            return None

    def number(self, name: str, *arguments: Any, per: int = 1) -> float | None:
        """A number in units of which ``per`` make one of ours."""
        value = self(name, *arguments)
        return None if value is None else value / per

    def fields(self, handle: Any, ids: Sequence[Any]) -> dict[int, float]:
        """By field's id; each value has a return code of its own, and some drivers refuse all."""
        values = self("nvmlDeviceGetFieldValues", handle, ids)
        if values is None:
            values = [v for i in ids for v in self("nvmlDeviceGetFieldValues", handle, [i]) or ()]
        good = self.nvml.NVML_SUCCESS
        return {v.fieldId: self._field_value(v) for v in values if v.nvmlReturn == good}

    def _field_value(self, value: Any) -> float:
        """It lies in a union whose member its ``valueType`` names."""
        nvml = self.nvml
        members = {
            nvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
            nvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
            nvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
            nvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
            nvml.NVML_VALUE_TYPE_SIGNED_INT: "siVal",
            nvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: "usVal",
        }
        return float(getattr(value.value, members.get(value.valueType, "ullVal")))


def memory(ask: Asking, handle: Any) -> dict[str, Any]:
    """Of GPUs and MIG instances alike."""
    version = ask.nvml.nvmlMemory_v2
    found = ask("nvmlDeviceGetMemoryInfo", handle, version=version)
    if found is None:  # An older driver: what it reserves counts as used there.
        found = ask("nvmlDeviceGetMemoryInfo", handle)
    return {
        "memory_used_bytes": None if found is None else float(found.used),
        "memory_total_bytes": None if found is None else float(found.total),
    }


def pids(ask: Asking, handle: Any) -> list[int] | None:
    """Of the processes that compute or draw; None where this cannot be known."""
    found = [
        ask(f"nvmlDeviceGet{kind}RunningProcesses", handle) for kind in ("Compute", "Graphics")
    ]
    if found == [None, None]:
        return None
    return sorted({process.pid for processes in found for process in processes or ()})


def board(ask: Asking, handle: Any) -> dict[str, Any]:
    """All that one look at a GPU shows, but for what is counted (``transferred``)."""
    nvml = ask.nvml
    use = ask("nvmlDeviceGetUtilizationRates", handle)
    rows = ask("nvmlDeviceGetRemappedRows", handle)
    fields = ask.fields(
        handle,
        [
            nvml.NVML_FI_DEV_MEMORY_TEMP,
            nvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION,
            nvml.NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL,
            nvml.NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL,
            nvml.NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL,
        ],
    )
    memory_c = fields.pop(nvml.NVML_FI_DEV_MEMORY_TEMP, None)
    recovery = fields.pop(nvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, None)
    return {
        "util_ratio": None if use is None else use.gpu / 100,
        "memory_util_ratio": None if use is None else use.memory / 100,
        "encoder_util_ratio": _first(ask("nvmlDeviceGetEncoderUtilization", handle)),
        "decoder_util_ratio": _first(ask("nvmlDeviceGetDecoderUtilization", handle)),
        "power_w": ask.number("nvmlDeviceGetPowerUsage", handle, per=1000),
        "power_limit_w": ask.number("nvmlDeviceGetEnforcedPowerLimit", handle, per=1000),
        "energy_j": ask.number("nvmlDeviceGetTotalEnergyConsumption", handle, per=1000),
        "temperature_c": _temperature(ask, handle),
        "memory_temperature_c": memory_c,
        "sm_clock_mhz": ask.number("nvmlDeviceGetClockInfo", handle, nvml.NVML_CLOCK_SM),
        "memory_clock_mhz": ask.number("nvmlDeviceGetClockInfo", handle, nvml.NVML_CLOCK_MEM),
        "throttle_reasons": _throttled(ask, handle),
        **_ecc(ask, handle),
        "remapped_rows": None if rows is None else float(rows[0] + rows[1]),
        "remap_pending": None if rows is None else float(rows[2]),
        "remap_failed": None if rows is None else float(rows[3]),
        "recovery_action": recovery,
        "pcie_replays": ask.number("nvmlDeviceGetPcieReplayCounter", handle),
        "nvlink_errors": sum(fields.values()) if fields else None,
    }


def transferred(
    ask: Asking, handle: Any, rates: GpuRates, uuid: str, now_us: int
) -> dict[str, Any]:
    """Bytes per second over PCIe and all NVLinks, from counters.

    ``nvmlDeviceGetPcieThroughput`` would know PCIe of older drivers; it sleeps 20 ms each call.
    """
    nvml, every_link = ask.nvml, 0xFFFFFFFF
    pcie = (nvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, nvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES)
    nvlink = (
        nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
        nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX,
    )
    counters = [(field, 0) for field in pcie] + [(field, every_link) for field in nvlink]
    found = ask.fields(handle, counters)
    rated = {field: rates.rate(uuid, field, found.get(field), now_us) for field, _ in counters}
    return {
        "pcie_bytes_per_s": _both(rated[field] for field in pcie),
        # NVML counts them in KiB.
        "nvlink_bytes_per_s": _both((rated[field] for field in nvlink), unit=1024),
    }


def _both(directions: Iterable[float | None], *, unit: int = 1) -> float | None:
    known = [rate for rate in directions if rate is not None]
    return sum(known) * unit if known else None


def _first(use: Sequence[int] | None) -> float | None:
    """NVML gives percent and the microseconds it is a mean of."""
    return None if use is None else use[0] / 100


def _temperature(ask: Asking, handle: Any) -> float | None:
    sensor = ask.nvml.NVML_TEMPERATURE_GPU
    newer = ask.number("nvmlDeviceGetTemperatureV", handle, sensor)
    return ask.number("nvmlDeviceGetTemperature", handle, sensor) if newer is None else newer


def _throttled(ask: Asking, handle: Any) -> int:
    newer = ask("nvmlDeviceGetCurrentClocksEventReasons", handle)
    older = "nvmlDeviceGetCurrentClocksThrottleReasons"
    return int((ask(older, handle) if newer is None else newer) or 0)


def _ecc(ask: Asking, handle: Any) -> dict[str, float | None]:
    nvml = ask.nvml
    kinds = {
        "ecc_corrected": nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED,
        "ecc_uncorrected": nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
    }
    since = {"": nvml.NVML_VOLATILE_ECC, "_lifetime": nvml.NVML_AGGREGATE_ECC}
    return {
        f"{name}{suffix}": ask.number("nvmlDeviceGetTotalEccErrors", handle, kind, counter)
        for name, kind in kinds.items()
        for suffix, counter in since.items()
    }
