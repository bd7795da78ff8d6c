"""Who holds a GPU without work, and since when."""

from typing import Any

import pytest

from streams.clock import SECOND_US
from streams.schemas.telemetry import GpuSample
from streams.sources.gpu_idle import IdleMeter, is_held


def sample(at_s: int = 0, **but: Any) -> GpuSample:
    """Held by a pod that does nothing with it."""
    usual: dict[str, Any] = {
        "node": "n1",
        "gpu_uuid": "GPU-1",
        "owner": "ml/chat-0",
        "util_ratio": 0.0,
    }
    return GpuSample(at_us=(1_000 + at_s) * SECOND_US, **(usual | but))


@pytest.mark.parametrize(
    ("third", "idle_s"),
    [
        pytest.param({}, 20, id="idle-goes-on"),
        pytest.param({"util_ratio": 0.5}, 0, id="work-ends-it"),
        pytest.param({"util_ratio": 0.01}, 20, id="but-not-what-a-monitor-causes"),
        pytest.param({"encoder_util_ratio": 0.5}, 0, id="video-is-work"),
        pytest.param({"owner": ""}, 0, id="free-ends-it"),
        pytest.param({"owner": "ml/other"}, 0, id="another-begins-anew"),
        pytest.param({"util_ratio": None}, None, id="nothing-known-is-not-judged"),
    ],
)
def test_idle_is_counted_while_it_is_held(third: dict[str, Any], idle_s: float | None) -> None:
    meter = IdleMeter()
    told = meter.judged([sample(0), sample(10), sample(20, **third)])

    assert [one.held_idle_s for one in told] == [0, 10, idle_s]


@pytest.mark.parametrize(
    ("but", "held"),
    [
        ({"memory_used_bytes": 9.0, "memory_total_bytes": 100.0}, False),
        ({"memory_used_bytes": 11.0, "memory_total_bytes": 100.0}, True),
        ({"processes": 1.0}, True),
        ({"processes": 0.0}, False),
        ({"replica": "codex-1"}, True),
    ],
)
def test_it_is_held_by_an_owner_a_process_or_memory(but: dict[str, Any], held: bool) -> None:
    assert is_held(sample(owner="", **but)) is held
