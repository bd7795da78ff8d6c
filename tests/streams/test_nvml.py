"""GPU samples from a library object that answers as NVML does."""

from types import SimpleNamespace
from typing import Any

import pynvml

from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import GpuSample
from streams.sources.nvml import NvmlSource
from tests.streams.nvml_fake import GPU, FakeNvml

LOST = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
REPLICA = ReplicaStatus(
    pool="codex", replica="codex-1", state="ready", since_us=0, at_us=0, pid=77, node="n1"
)


async def read(nvml: Any, *replicas: ReplicaStatus) -> list[GpuSample]:
    return list(await NvmlSource(cluster="c", node="n1", nvml=nvml).read(replicas, 5))


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
            processes=1.0,
        )
    ]


async def test_what_a_gpu_does_not_support_is_missing() -> None:
    poor = {"UUID": b"GPU-2", "Name": b"old", "Temperature": 50, "fields": {}}
    sample = (await read(FakeNvml(poor)))[0]

    assert (sample.temperature_c, sample.power_w, sample.ecc_corrected) == (50, None, None)
    assert (sample.nvlink_errors, sample.gpu_uuid, sample.throttle_reasons) == (None, "GPU-2", 0)


async def test_a_lost_gpu_is_reported_as_xid_79_and_its_neighbour_goes_on() -> None:
    lost = GPU | {"UtilizationRates": LOST, "UUID": "GPU-9"}
    samples = await read(FakeNvml(lost, GPU))

    assert [(s.gpu_uuid, s.xid, s.power_w) for s in samples] == [
        ("GPU-9", 79, None),
        ("GPU-1", 0, 512.3),
    ]


async def test_an_xid_event_shows_once_on_its_gpu() -> None:
    nvml = FakeNvml(GPU, GPU | {"UUID": "GPU-2"})
    source = NvmlSource(cluster="c", node="n1", nvml=nvml)
    nvml.events.append(SimpleNamespace(device=1, eventData=48))
    first, second = await source.read([], 1), await source.read([], 2)

    assert [sample.xid for sample in (*first, *second)] == [0, 48, 0, 0]


async def test_without_a_driver_it_is_silent() -> None:
    nvml = FakeNvml(init=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    assert await read(nvml) == []


async def test_a_gpu_lost_before_the_start_does_not_hide_the_others() -> None:
    assert len(await read(FakeNvml(GPU | {"UUID": LOST}, GPU))) == 1
