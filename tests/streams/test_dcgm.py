"""Pages of dcgm-exporter, written from its published names, become GPU samples."""

from typing import Any

import pytest

from streams.schemas.telemetry import GpuSample
from streams.sources.dcgm import DcgmMeter, read_dcgm
from streams.sources.gpu_names import WANTED
from streams.sources.prometheus_text import Sample, parse

NEW = 'gpu="0",UUID="GPU-a",pci_bus_id="00000000:1B:00.0",device="nvidia0",modelName="NVIDIA H100"'
HOST = 'hostname="n1",DCGM_FI_DRIVER_VERSION="580.1"'
POD = 'container="main",namespace="ml",pod="chat-0"'
OLD = 'gpu="0",UUID="GPU-a",device="nvidia0",modelName="NVIDIA H100",Hostname="n1"'
OLD_POD = 'container_name="main",pod_namespace="ml",pod_name="chat-0"'


def page(values: dict[str, Any], *labels: str) -> tuple[Sample, ...]:
    text = "".join(
        f"# HELP DCGM_FI_{name} what it is\n# TYPE DCGM_FI_{name} gauge\n"
        f"DCGM_FI_{name}{{{','.join(labels)}}} {value}\n"
        for name, value in values.items()
    )
    return parse(text.encode(), wanted=WANTED).samples


def only(*samples: Sample) -> GpuSample:
    (found,) = read_dcgm(samples, at_us=5, cluster="c")
    return found


VALUES = {
    "DEV_SM_CLOCK": 1980,
    "DEV_MEM_CLOCK": 2619,
    "DEV_GPU_TEMP": 61,
    "DEV_MEMORY_TEMP": 70,
    "DEV_POWER_USAGE": 512.3,
    "DEV_TOTAL_ENERGY_CONSUMPTION": 9000500,
    "DEV_PCIE_REPLAY_COUNTER": 4,
    "DEV_GPU_UTIL": 63,
    "DEV_MEM_COPY_UTIL": 20,
    "DEV_ENC_UTIL": 7,
    "DEV_DEC_UTIL": 0,
    "DEV_XID_ERRORS": 0,
    "DEV_FB_FREE": 40,
    "DEV_FB_USED": 50,
    "DEV_FB_RESERVED": 10,
    "DEV_CORRECTABLE_REMAPPED_ROWS": 1,
    "DEV_UNCORRECTABLE_REMAPPED_ROWS": 2,
    "DEV_ROW_REMAP_FAILURE": 0,
    "PROF_GR_ENGINE_ACTIVE": 0.5,
    "PROF_PIPE_TENSOR_ACTIVE": 0.25,
    "PROF_DRAM_ACTIVE": 0.125,
    "PROF_PCIE_TX_BYTES": 1000,
    "PROF_PCIE_RX_BYTES": 2000,
}


@pytest.mark.parametrize("labels", [(NEW, HOST, POD), (OLD, OLD_POD)], ids=["new", "old"])
def test_a_gpu_in_our_units(labels: tuple[str, ...]) -> None:
    assert only(*page(VALUES, *labels)) == GpuSample(
        at_us=5,
        cluster="c",
        node="n1",
        gpu_uuid="GPU-a",
        model="NVIDIA H100",
        owner="ml/chat-0",
        util_ratio=0.63,
        memory_util_ratio=0.2,
        memory_used_bytes=50 * 2**20,
        memory_total_bytes=100 * 2**20,
        power_w=512.3,
        temperature_c=61,
        memory_temperature_c=70,
        sm_clock_mhz=1980,
        memory_clock_mhz=2619,
        remapped_rows=3,
        pcie_replays=4,
        encoder_util_ratio=0.07,
        decoder_util_ratio=0,
        tensor_active_ratio=0.25,
        energy_j=9000.5,
        remap_failed=0,
        pcie_bytes_per_s=3000,
    )


@pytest.mark.parametrize(
    "blank",
    ["NaN", "+Inf", "-1", "2147483632", "2147483634", "140737488355328", "9223372036854775794"],
)
def test_what_dcgm_has_no_value_for_is_missing(blank: str) -> None:
    assert only(*page({"DEV_GPU_TEMP": 50, "DEV_POWER_USAGE": blank}, NEW)).power_w is None


def test_links_are_added_up_and_repeats_are_not() -> None:
    links = [page({"DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": 2}, NEW, f'nvlink="{n}"') for n in "012"]
    shared = [page({"DEV_UNCORRECTABLE_REMAPPED_ROWS": 3}, NEW, f'pod="{n}"') for n in "ab"]
    found = only(*(sample for one in (*links, *shared) for sample in one))

    assert (found.nvlink_errors, found.remapped_rows, found.owner) == (6, 3, "a,b")


def test_a_mig_instance_has_its_memory_and_the_board_has_the_rest_once() -> None:
    parts = [
        sample
        for number in ("1", "2")
        for sample in page(
            {"DEV_FB_USED": 5, "DEV_FB_FREE": 5, "PROF_GR_ENGINE_ACTIVE": 0.5}
            | {"DEV_POWER_USAGE": 300, "DEV_CORRECTABLE_REMAPPED_ROWS": 1},
            NEW,
            f'GPU_I_PROFILE="1g.10gb",GPU_I_ID="{number}",namespace="ml",pod="p-{number}"',
        )
    ]
    whole, first, second = read_dcgm(parts, at_us=0, node="n7")

    assert (whole.gpu_uuid, whole.power_w, whole.remapped_rows) == ("GPU-a", 300, 1)
    assert (whole.owner, whole.memory_used_bytes, whole.node) == ("", None, "n7")
    assert (first.gpu_uuid, first.parent_uuid, first.owner) == ("GPU-a/1", "GPU-a", "ml/p-1")
    assert (second.memory_used_bytes, second.power_w, second.util_ratio) == (5 * 2**20, None, 0.5)


@pytest.mark.parametrize(
    ("labels", "owner"),
    [
        ('pod="nvidia-dcgm-exporter-x",namespace="gpu-operator"', ""),
        ('pod="dcgm-exporter-x",exported_pod="chat-0",exported_namespace="ml"', "ml/chat-0"),
        ('hpc_job="4711"', "job:4711"),
    ],
)
def test_the_owner_is_who_uses_it_not_who_exports_it(labels: str, owner: str) -> None:
    assert only(*page({"DEV_GPU_TEMP": 50}, NEW, labels)).owner == owner


def test_the_last_xid_is_told_when_it_changes() -> None:
    meter = DcgmMeter()
    seen = [
        meter.samples(page({"DEV_XID_ERRORS": xid}, NEW), at_us)[0].xid
        for at_us, xid in enumerate((31, 31, 79, 79, 31))
    ]

    assert seen == [0, 0, 79, 0, 31]


def test_what_is_no_gpu_is_left_alone() -> None:
    assert read_dcgm(page({"DEV_GPU_TEMP": 1}, 'nvswitch="1"'), at_us=0) == []
    assert read_dcgm(page({"DEV_UNHEARD_OF": 1}, NEW), at_us=0) == []
