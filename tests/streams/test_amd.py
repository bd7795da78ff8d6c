"""GPU samples from a library object that answers as AMD SMI does."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streams.errors import InvalidParameterError
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import GpuSample
from streams.sources.amd import OPEN_EVERY_US, AmdSource
from streams.sources.gpu_owner import Owners

GPU: dict[str, Any] = {
    "gpu_device_uuid": "d1ff-1",
    "gpu_asic_info": {"market_name": "AMD Instinct MI300X", "vendor_id": 4098},
    "gpu_activity": {"gfx_activity": 63, "umc_activity": 20, "mm_activity": "N/A"},
    "power_info": {"socket_power": "N/A", "current_socket_power": 512, "power_limit": 750},
    "temp_metric": {"hotspot": 61, "vram": 70},
    "clock_info": {"gfx": {"clk": 2100, "min_clk": 132}, "mem": {"clk": 1300}},
    "gpu_total_ecc_count": {"correctable_count": 3, "uncorrectable_count": 0},
    "gpu_vram_usage": {"vram_total": 200, "vram_used": 50},
    "gpu_process_list": [{"pid": 77, "mem": 5, "name": "N/A"}],
    "gpu_bad_page_info": [{"value": 1}],
    "pcie_info": {"pcie_static": {}, "pcie_metric": {"pcie_replay_count": 4}},
    "energy_count": {"energy_accumulator": 2_000_000, "counter_resolution": 15.5, "timestamp": 1},
}


class FakeSmi:
    """``gpus``: answers per GPU; what is not among them is not supported."""

    class AmdSmiException(Exception):  # noqa: N818 - the name is AMD's
        """The base of all that AMD SMI raises."""

    AmdSmiClkType = SimpleNamespace(GFX="gfx", MEM="mem")
    AmdSmiTemperatureType = SimpleNamespace(EDGE="edge", HOTSPOT="hotspot", VRAM="vram")
    AmdSmiTemperatureMetric = SimpleNamespace(CURRENT=0)

    def __init__(self, *gpus: dict[str, Any]) -> None:
        self.gpus = list(gpus)
        self.away = False

    def amdsmi_init(self) -> None:
        self._check(not self.away)

    def amdsmi_get_processor_handles(self) -> list[dict[str, Any]]:
        return self.gpus

    def __getattr__(self, name: str) -> Any:
        def ask(gpu: dict[str, Any], *keys: Any) -> Any:
            short = name.removeprefix("amdsmi_get_")
            self._check(not self.away and short in gpu)
            answer = gpu[short]
            if keys:
                self._check(keys[0] in answer)
                return answer[keys[0]]
            return answer

        return ask

    def _check(self, fine: bool) -> None:
        if not fine:
            raise self.AmdSmiException


def source(smi: Any) -> AmdSource:
    return AmdSource(cluster="c", node="n1", smi=smi, owners=Owners(Path("/no/such/folder")))


async def test_a_gpu_in_our_units() -> None:
    replica = ReplicaStatus(
        pool="codex", replica="codex-1", state="ready", since_us=0, at_us=0, pid=77, node="n1"
    )
    assert await source(FakeSmi(GPU)).read([replica], 5) == [
        GpuSample(
            at_us=5,
            cluster="c",
            node="n1",
            gpu_uuid="d1ff-1",
            model="AMD Instinct MI300X",
            pool="codex",
            replica="codex-1",
            util_ratio=0.63,
            memory_util_ratio=0.2,
            memory_used_bytes=50 * 2**20,
            memory_total_bytes=200 * 2**20,
            power_w=512,
            power_limit_w=750,
            energy_j=31,
            temperature_c=61,
            memory_temperature_c=70,
            sm_clock_mhz=2100,
            memory_clock_mhz=1300,
            ecc_corrected=3,
            ecc_uncorrected=0,
            remapped_rows=1,
            pcie_replays=4,
            processes=1,
            held_idle_s=0,
        )
    ]


@pytest.mark.parametrize("name", sorted(GPU))
async def test_no_single_answer_is_needed(name: str) -> None:
    without = {key: answer for key, answer in GPU.items() if key != name}

    assert len(await source(FakeSmi(without)).read([], 5)) == 1


async def test_a_driver_that_went_away_is_found_again() -> None:
    smi = FakeSmi(GPU)
    reader, seen = source(smi), []
    for at, away in enumerate((False, True, True, False)):
        smi.away = away
        seen.append([s.power_w for s in await reader.read([], at * OPEN_EVERY_US)])

    assert seen == [[512], [None], [], [512]]


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amdsmi", None)

    with pytest.raises(InvalidParameterError, match="pip install /opt/rocm/share/amd_smi"):
        AmdSource(cluster="c", node="n1")
