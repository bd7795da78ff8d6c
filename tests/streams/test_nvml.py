"""GPU samples from a library object that answers as NVML does."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from streams.clock import SECOND_US
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import GpuSample
from streams.sources.gpu_owner import Owners
from streams.sources.nvml import LOOK_EVERY_US, NvmlSource
from tests.streams.nvml_fake import GPU, MIG, OLD_GPU, FakeNvml

SOURCES = Path(__file__).parents[2] / "streams" / "sources"
LOST = pynvml.NVML_ERROR_GPU_IS_LOST
REPLICA = ReplicaStatus(
    pool="codex", replica="codex-1", state="ready", since_us=0, at_us=0, pid=77, node="n1"
)


def source(nvml: Any) -> NvmlSource:
    nowhere = Owners(Path("/no/such/folder"))
    return NvmlSource(cluster="c", node="n1", nvml=nvml, owners=nowhere)


async def read(nvml: Any, *replicas: ReplicaStatus) -> list[GpuSample]:
    return list(await source(nvml).read(replicas, 5))


async def test_a_healthy_gpu_in_our_units() -> None:
    assert await read(FakeNvml(GPU), REPLICA) == [
        GpuSample(
            at_us=5,
            cluster="c",
            node="n1",
            gpu_uuid="GPU-1",
            model="NVIDIA H200",
            pool="codex",
            replica="codex-1",
            util_ratio=0.63,
            memory_util_ratio=0.2,
            memory_used_bytes=90e9,
            memory_total_bytes=150e9,
            power_w=512.3,
            power_limit_w=700.0,
            temperature_c=61.0,
            memory_temperature_c=70.0,
            sm_clock_mhz=1980.0,
            memory_clock_mhz=3201.0,
            throttle_reasons=0x40,
            ecc_corrected=3.0,
            ecc_uncorrected=0.0,
            remapped_rows=3.0,
            pcie_replays=4.0,
            nvlink_errors=3.0,
            processes=2.0,
            encoder_util_ratio=0.07,
            decoder_util_ratio=0.0,
            energy_j=9000.5,
            ecc_corrected_lifetime=11.0,
            ecc_uncorrected_lifetime=1.0,
            remap_pending=1.0,
            remap_failed=0.0,
            recovery_action=0.0,
            held_idle_s=0.0,
        )
    ]


async def test_what_a_gpu_and_its_old_driver_do_not_offer_is_missing() -> None:
    sample = (await read(FakeNvml(OLD_GPU)))[0]

    assert (sample.gpu_uuid, sample.temperature_c, sample.throttle_reasons) == ("GPU-2", 50, 1)
    assert (sample.memory_used_bytes, sample.util_ratio) == (600, 0.05)
    missing = {"power_w", "ecc_corrected", "nvlink_errors", "pcie_bytes_per_s", "processes"}
    assert {getattr(sample, name) for name in missing} == {None}


@pytest.mark.parametrize("name", sorted(GPU.keys() - {"UUID", "Name"}))
async def test_no_single_answer_is_needed(name: str) -> None:
    without = {key: answer for key, answer in GPU.items() if key != name}

    assert [sample.gpu_uuid for sample in await read(FakeNvml(without))] == ["GPU-1"]


async def test_bytes_are_told_per_second_between_readings() -> None:
    gpu = GPU | {"FieldValues": dict(GPU["FieldValues"])}
    reader = source(FakeNvml(gpu))
    first = (await reader.read([], SECOND_US))[0]
    gpu["FieldValues"][pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, 0] += 600
    gpu["FieldValues"][pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, 0xFFFFFFFF] += 3
    second = (await reader.read([], 3 * SECOND_US))[0]
    gpu["FieldValues"][pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, 0] = 7  # It wrapped.
    third = (await reader.read([], 4 * SECOND_US))[0]

    assert [s.pcie_bytes_per_s for s in (first, second, third)] == [None, 300, None]
    assert [s.nvlink_bytes_per_s for s in (first, second, third)] == [None, 1536, 0]


async def test_a_mig_instance_is_a_series_of_its_own_with_only_what_nvml_offers_for_it() -> None:
    parent = GPU | {"MigMode": [1, 1], "MaxMigDeviceCount": 7, "MigDeviceHandleByIndex": {0: MIG}}
    nvml = FakeNvml(parent)
    nvml.events.append(SimpleNamespace(device=parent, eventData=94, gpuInstanceId=3))
    whole, part = await read(nvml)

    assert (part.gpu_uuid, part.parent_uuid, part.xid, whole.xid) == ("MIG-1", "GPU-1", 94, 0)
    assert (part.memory_used_bytes, part.processes, part.index) == (9_000, 1, whole.index)
    assert (part.util_ratio, part.power_w, part.held_idle_s) == (None, None, None)


async def test_a_lost_gpu_is_reported_as_xid_79_and_its_neighbour_goes_on() -> None:
    samples = await read(FakeNvml(gpu := GPU | {"UUID": "GPU-9"}, GPU))
    assert [s.xid for s in samples] == [0, 0]

    gpu["UtilizationRates"] = pynvml.NVMLError(LOST)
    samples = await read(FakeNvml(gpu, GPU))
    assert [(s.gpu_uuid, s.xid, s.power_w) for s in samples] == [
        ("GPU-9", 79, None),
        ("GPU-1", 0, 512.3),
    ]


async def test_a_lost_gpu_stays_in_sight_until_it_is_back() -> None:
    gpu, told = dict(GPU), list[GpuSample]()
    reader = source(FakeNvml(gpu))
    for lost in (0, LOST, LOST, 0):
        gpu["lost"] = lost
        told.append((await reader.read([], len(told) * 6 * LOOK_EVERY_US))[0])

    assert [(sample.gpu_uuid, sample.xid) for sample in told] == [
        ("GPU-1", 0),
        ("GPU-1", 79),
        ("GPU-1", 79),
        ("GPU-1", 0),
    ]


async def test_a_gpu_that_wants_a_reset_says_so() -> None:
    reset = GPU | {"PowerUsage": pynvml.NVMLError(pynvml.NVML_ERROR_RESET_REQUIRED)}

    assert [(s.recovery_action, s.power_w) for s in await read(FakeNvml(reset))] == [(1, None)]


async def test_an_xid_event_shows_once_on_its_gpu() -> None:
    nvml = FakeNvml(GPU, second := GPU | {"UUID": "GPU-2"})
    reader = source(nvml)
    nvml.events.append(SimpleNamespace(device=second, eventData=48, gpuInstanceId=0xFFFFFFFF))
    samples = [*await reader.read([], 1), *await reader.read([], 2)]

    assert [sample.xid for sample in samples] == [0, 48, 0, 0]


async def test_a_driver_that_is_loaded_anew_is_found_again() -> None:
    nvml = FakeNvml(GPU)
    reader, seen = source(nvml), []
    for at, code in enumerate((0, pynvml.NVML_ERROR_DRIVER_NOT_LOADED, 0, 0)):
        nvml.init = code
        seen.append(len(await reader.read([], at * LOOK_EVERY_US)))

    assert (seen, nvml.opened) == ([1, 0, 1, 1], 2)


async def test_without_a_driver_it_is_silent() -> None:
    assert await read(FakeNvml(init=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)) == []


async def test_a_gpu_lost_before_the_start_does_not_hide_the_others() -> None:
    assert len(await read(FakeNvml(GPU | {"lost": LOST}, GPU))) == 1


def test_all_that_we_call_is_in_nvml() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES.glob("nvml*.py"))
    text = text.replace("{kind}", "Compute") + text.replace("{kind}", "Graphics")
    names = set(re.findall(r"\b(?:nvml[A-Z]\w+|NVML_\w+|NVMLError_\w+)", text))
    structures = (pynvml.c_nvmlFieldValue_t, pynvml.c_nvmlEventData_t, pynvml.c_nvmlMemory_v2_t)
    known = {name for one in structures for name, _ in one._fields_} | set(dir(pynvml))

    assert len(names) > 40
    assert names <= known
