import pytest

from autoscaler.demand import ClassSecond, PoolSecond
from autoscaler.mix import MixMeter
from autoscaler.region import UNTOLD
from autoscaler.replica_seconds import ReplicaSecond
from tests.autoscaler.world import at

CHAT, DRAFT = ("m", "chat"), ("m", "draft")


def came(second: int, **classes: ClassSecond) -> PoolSecond:
    names = {"chat": CHAT, "draft": DRAFT}
    by_name = {names[route]: one for route, one in classes.items()}
    return PoolSecond(at(second), classes=by_name)


def of(arrived: int, prompt: int, ended: int, output: int) -> ClassSecond:
    return ClassSecond(arrived, arrived * prompt, ended, ended * output)


def test_nothing_is_known_before_anything_came() -> None:
    assert MixMeter().mix() == UNTOLD


def test_output_is_predicted_by_what_ended_of_the_classes_that_come_now() -> None:
    meter = MixMeter()
    for second in range(60):
        meter.see(came(second, chat=of(1, 100, 1, 20), draft=of(1, 10, 1, 400)))
    for second in range(60, 360):
        meter.see(came(second, draft=of(1, 10, 0, 0)))  # none of them has ended yet

    assert meter.mix().output == pytest.approx(400, rel=0.01)
    assert meter.mix().prompt == pytest.approx(10, rel=0.01)


def test_prompts_count_as_far_as_engines_had_to_read_them() -> None:
    meter = MixMeter()
    for second in range(600):
        meter.see(came(second, chat=of(2, 100, 2, 20)))
        meter.see_replicas([ReplicaSecond(window_us=at(second), replica="a", prompt_tokens=50)])

    assert meter.mix().prompt == pytest.approx(25, rel=0.01)


def test_the_cache_is_asked_for_what_engines_hold_for_each_request() -> None:
    meter = MixMeter()
    meter.see(came(0, chat=of(2, 100, 2, 20)))
    assert meter.mix().resident == 110

    row = ReplicaSecond(window_us=at(0), replica="a", running=4, kv_tokens=320)
    meter.see_replicas([row])
    assert meter.mix().resident == 80


def test_many_classes_do_not_fill_the_memory() -> None:
    meter = MixMeter()
    for number in range(1_000):
        meter.see(PoolSecond(at(number), classes={("m", str(number)): of(1, 10, 1, 10)}))

    assert meter.mix().output == pytest.approx(10)
