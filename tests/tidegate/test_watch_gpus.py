"""What is said of GPUs that are looked at."""

import pytest

from autoscaler.api.view import View
from streams.clock import SECOND_US
from streams.schemas.telemetry import GpuSample
from tests.dashboards.synthetic import window_messages
from tests.services import dcgm_page
from tidegate.watch.gpus import gpus_in
from tidegate.watch.pages import found_on
from tidegate.watch.understood import Watched, called, page_sentence, statuses
from tidegate.watch.verdict import Known, judge

NOW_US = 1_767_268_800 * SECOND_US
GB = 1e9
URL = "http://n1:9400/metrics"


def gpu(uuid: str, **more: object) -> GpuSample:
    usual = GpuSample(at_us=NOW_US - SECOND_US, node="n1", gpu_uuid=uuid, temperature_c=61.0)
    return usual.but(**more)


def seen(*gpus: GpuSample) -> View:
    view = View(shards=1)
    view.feed(window_messages("gpu", gpus, NOW_US))
    return view


def exporter(*gpus: str) -> Watched:
    found = found_on(URL, dcgm_page.page(*gpus).encode())
    assert found is not None
    [watched] = called([found])
    return watched


def test_a_page_of_gpus_is_understood_and_is_of_no_pool() -> None:
    watched = exporter("GPU-a", "GPU-b")

    assert page_sentence(watched) == f"{URL}: dcgm-exporter with 2 GPUs (NVIDIA H100)"
    assert (watched.pool, statuses([watched], NOW_US, "local")) == ("", [])


def test_all_gpus_are_summed_up() -> None:
    busy = {"util_ratio": 0.6, "memory_used_bytes": 40 * GB, "memory_total_bytes": 80 * GB}
    view = seen(gpu("a", **busy), gpu("b", util_ratio=0.2), gpu("b/1", parent_uuid="b"))

    assert gpus_in(view, 0).said == "2 GPUs on 1 node: 40 % busy, 40 of 80 GB in use, 61 °C at most"


def test_what_is_not_shown_is_not_said() -> None:
    assert gpus_in(seen(gpu("a", temperature_c=None)), 0).said == "1 GPU on 1 node"


@pytest.mark.parametrize(
    ("shown", "state", "sentence"),
    [
        (["a", "b"], "healthy", "nothing wrong: 2 GPUs on 1 node: 61 °C at most"),
        (["a"], "wrong", "only 1 of 2 GPUs can be read"),
        ([], "wrong", "only 0 of 2 GPUs can be read"),
    ],
)
def test_a_verdict_on_gpus(shown: list[str], state: str, sentence: str) -> None:
    verdict = judge(seen(*map(gpu, shown)), Known(watched=[exporter("a", "b")]))

    assert (verdict.state, verdict.sentence) == (state, sentence)


def test_what_was_seen_before_says_nothing_of_now() -> None:
    known = Known(watched=[exporter("a")], gpus_fresh_us=NOW_US + SECOND_US)

    assert judge(seen(gpu("a")), known).state == "wrong"


def test_a_page_of_any_process_is_nothing_to_look_at() -> None:
    assert found_on(URL, b"process_start_time_seconds 1.7e9\nnode_load1 1\n") is None
