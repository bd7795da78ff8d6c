"""Who a Prometheus knows of, and what they are called."""

from streams.sources.prometheus_series import TargetKey
from tidegate.watch.census import Census
from tidegate.watch.understood import pools_sentence


def labels(instance: str, job: str = "vllm", model: str = "M", **more: str) -> dict[str, str]:
    name = "vllm:num_requests_running"
    return {"__name__": name, "job": job, "instance": instance, "model_name": model, **more}


def key(instance: str, job: str = "vllm") -> TargetKey:
    return TargetKey("", job, instance)


def names(census: Census) -> list[tuple[str, str, bool]]:
    return [(one.pool, one.replica, one.found.up) for one in census.watched]


def test_a_pod_gives_its_name_to_the_replica() -> None:
    census = Census()
    census.take([labels("10.0.0.1:8000", pod="m-0"), labels("10.0.0.2:8000")], [])
    assert names(census) == [("M", "m-0", True), ("M", "10.0.0.2:8000", True)]


def test_who_is_silent_among_engines_counts_as_one() -> None:
    census = Census()
    census.take([labels("a:1")], [(key("a:1"), True), (key("b:1"), False)])
    assert names(census) == [("M", "a:1", True), ("M", "b:1", False)]


def test_who_is_silent_among_all_kinds_of_pods_is_nobody_we_know() -> None:
    census = Census()
    scraped = [(key("a:1"), True), (key("web:80"), True), (key("b:1"), False)]
    census.take([labels("a:1")], scraped)
    assert names(census) == [("M", "a:1", True)]


def test_an_engine_that_falls_silent_keeps_its_name() -> None:
    census = Census()
    census.take([labels("a:1"), labels("b:1", pod="m-1")], [])
    census.take([labels("a:1")], [(key("a:1"), True), (key("b:1"), False)])
    assert names(census) == [("M", "a:1", True), ("M", "m-1", False)]


def test_a_pool_keeps_its_name_when_another_of_its_model_comes() -> None:
    census = Census()
    census.take([labels("a:1", namespace="blue")], [])
    census.take([labels("a:1", namespace="blue"), labels("b:1", job="new", namespace="green")], [])
    assert sorted(names(census)) == [("M", "a:1", True), ("M@green-new", "b:1", True)]


def gpu(instance: str, uuid: str) -> dict[str, str]:
    name = "DCGM_FI_DEV_GPU_UTIL"
    return {"__name__": name, "job": "dcgm", "instance": instance, "UUID": uuid}


def test_gpus_are_counted_by_target_and_are_of_no_pool() -> None:
    census = Census()
    census.take([labels("a:1"), gpu("n1:9400", "G-1"), gpu("n1:9400", "G-2")], [])
    found = {one.replica: (one.pool, one.found.engine, one.found.gpus) for one in census.watched}
    assert found == {"a:1": ("M", "vLLM", 0), "n1:9400": ("", "dcgm-exporter", 2)}
    assert pools_sentence(census.watched) == (
        "1 vLLM replica in 1 pool (M: 1) and 2 GPUs of 1 target"
    )


def test_nobody_knows_how_many_gpus_a_silent_node_has() -> None:
    census = Census()
    scraped = [(key("n1:9400", "dcgm"), True), (key("n2:9400", "dcgm"), False)]
    census.take([gpu("n1:9400", "G-1")], scraped)
    assert [(one.found.gpus, one.found.up) for one in census.watched] == [(1, True), (0, False)]


def test_who_is_gone_is_forgotten() -> None:
    census = Census()
    census.take([labels("a:1"), labels("b:1")], [])
    census.take([labels("a:1")], [(key("a:1"), True)])
    assert names(census) == [("M", "a:1", True)]
