"""Pages of engines, of GPUs, and of both become records of what they are."""

import pytest

from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample, GpuSample
from streams.sources.page_reader import SeriesBook
from streams.sources.target_meter import Reading, TargetMeter
from streams.sources.targets import Target
from tests.services import dcgm_page

ENGINE = 'vllm:num_requests_running{model_name="m"} 2\n'
STARTED = "process_start_time_seconds 1.7e9\n"
GPUS = dcgm_page.page("GPU-a", "GPU-b")
TARGET = Target(url="http://n7:9400/metrics", pool="chat", replica="a")


class Reader:
    """Reads page after page, one a second."""

    def __init__(self) -> None:
        self.meter = TargetMeter(TARGET, SeriesBook())
        self._at_us = 0

    def read(self, text: str, *, full: bool = True) -> list[Reading]:
        self._at_us += SECOND_US
        lens = self.meter.lens(full=full)
        return self.meter.records(lens, lens.read(text.encode()), self._at_us, 0) if lens else []


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        pytest.param(ENGINE, [EngineSample], id="an-engine"),
        pytest.param(GPUS, [GpuSample, GpuSample], id="gpus"),
        pytest.param(ENGINE + GPUS, [GpuSample, GpuSample, EngineSample], id="both"),
        pytest.param("node_load1 1\n", [EngineSample], id="who-says-nothing-may-be-an-engine"),
        pytest.param(GPUS + STARTED, [GpuSample, GpuSample], id="every-process-was-started"),
    ],
)
def test_what_is_on_a_page_says_what_it_is(text: str, kinds: list[type]) -> None:
    assert [type(one) for one in Reader().read(text)] == kinds


def test_gpus_are_read_with_whole_pages_only() -> None:
    reader = Reader()
    first, signals, whole = (reader.read(GPUS, full=full) for full in (False, False, True))

    assert [len(each) for each in (first, signals, whole)] == [2, 0, 2]


def test_a_silent_engine_is_told_and_silent_gpus_are_not() -> None:
    unknown, engine, gpus = Reader(), Reader(), Reader()
    engine.read(ENGINE)
    gpus.read(GPUS)

    told = [each.meter.silent(9, 0.8) for each in (unknown, engine, gpus)]

    assert [[getattr(one, "up", None) for one in each] for each in told] == [[0.0], [0.0], []]


def test_gpus_keep_their_memory_from_page_to_page() -> None:
    reader = Reader()
    pages = [dcgm_page.page("GPU-a", more={"XID_ERRORS": xid}) for xid in (31, 79, 79)]

    assert [getattr(reader.read(page)[0], "xid", None) for page in pages] == [0, 79, 0]


def test_a_page_that_names_no_node_has_its_targets() -> None:
    [gpu] = Reader().read('DCGM_FI_DEV_GPU_TEMP{UUID="GPU-a"} 50\n')

    assert isinstance(gpu, GpuSample)
    assert (gpu.node, gpu.temperature_c) == ("n7", 50)
