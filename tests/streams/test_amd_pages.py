"""Pages of AMD's device-metrics-exporter, in its names and labels.

Names as registered in ROCm/device-metrics-exporter@0778d3a, pkg/amdgpu/gpuagent; labels as its
docs/configuration/metricslist.md shows them.
"""

import pytest

from streams.schemas.telemetry import GpuSample
from streams.sources.dcgm import DcgmMeter
from streams.sources.gpu_names import WANTED
from streams.sources.prometheus_text import names_on, parse
from streams.sources.recognise import said_by

MIB = 1024 * 1024
LABELS = (
    'card_model="102-G30211-0C",card_series="AMD Instinct MI300X OAM",card_vendor="AMD",'
    'container="main",gpu_compute_partition_type="{kind}",gpu_id="{index}",'
    'gpu_partition_id="{part}",hostname="n1",namespace="ml",pod="{pod}",serial_number="6924"'
)
VALUES = """gpu_package_power{%} 512
gpu_power_usage{%} 512
gpu_energy_consumed{%} 9000000
gpu_junction_temperature{%} 76
gpu_memory_temperature{%} 61
gpu_gfx_activity{%} 63
gpu_umc_activity{%} 20
gpu_used_vram{%} 40000
gpu_total_vram{%} 196592
gpu_free_vram{%} 156592
gpu_clock{%,clock_index="0",clock_type="system"} 1533
gpu_clock{%,clock_index="1",clock_type="GPU_CLOCK_TYPE_SYSTEM"} 2100
gpu_clock{%,clock_index="8",clock_type="memory"} 1300
gpu_clock{%,clock_index="9",clock_type="video"} 29
gpu_ecc_correct_total{%} 3
gpu_ecc_uncorrect_total{%} 1
gpu_ecc_correct_gfx{%} 3
pcie_replay_count{%} 4
"""


def page(
    *, prefix: str = "", kind: str = "spx", index: int = 2, part: int = 0, pod: str = "chat-0"
) -> str:
    labels = LABELS.format(kind=kind, index=index, part=part, pod=pod)
    return "".join(f"{prefix}{line}\n" for line in VALUES.replace("%", labels).splitlines())


def read(text: str) -> list[GpuSample]:
    return DcgmMeter(cluster="c").samples(parse(text.encode(), wanted=WANTED).samples, 5)


@pytest.mark.parametrize("prefix", ["", "amd_"])
def test_a_gpu_in_our_words_and_units(prefix: str) -> None:
    assert read(page(prefix=prefix)) == [
        GpuSample(
            at_us=5,
            cluster="c",
            node="n1",
            gpu_uuid="6924",
            index=2,
            model="AMD Instinct MI300X OAM",
            owner="ml/chat-0",
            util_ratio=0.63,
            memory_util_ratio=0.2,
            memory_used_bytes=40_000 * MIB,
            memory_total_bytes=196_592 * MIB,
            power_w=512,
            energy_j=9,
            temperature_c=76,
            memory_temperature_c=61,
            sm_clock_mhz=2100,
            memory_clock_mhz=1300,
            ecc_corrected=3,
            ecc_uncorrected=1,
            pcie_replays=4,
            held_idle_s=0,
        )
    ]


def test_a_partition_has_what_is_its_own_and_the_board_the_rest() -> None:
    text = "".join(page(kind="cpx", index=part, part=part) for part in range(2))
    board, *parts = read(text)

    assert (board.gpu_uuid, board.power_w, board.util_ratio) == ("6924", 512, None)
    assert [(one.gpu_uuid, one.parent_uuid, one.util_ratio, one.power_w) for one in parts] == [
        ("6924/0", "6924", 0.63, None),
        ("6924/1", "6924", 0.63, None),
    ]


def test_its_uuid_goes_before_its_serial_number_and_the_exporter_owns_nothing() -> None:
    text = page(pod="gpu-metrics-exporter-x7k2p").replace(
        "card_model", 'gpu_uuid="ccff",card_model'
    )
    (found,) = read(text)

    assert (found.gpu_uuid, found.owner) == ("ccff", "")


def test_it_is_recognised_and_what_others_call_gpu_is_not() -> None:
    assert said_by(names_on(page().encode())) == "AMD's device-metrics-exporter"
    assert read('gpu_temperature{serial_number="1"} 40\ngpu_clock{serial_number="1"} 9\n') == []
