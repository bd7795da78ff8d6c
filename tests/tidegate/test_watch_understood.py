"""What was found, in the words and under the names that people see."""

import pytest

from streams.sources.prometheus_text import Sample
from tidegate.watch.understood import (
    Found,
    called,
    missing,
    page_sentence,
    pools_sentence,
    statuses,
)


def found(replica: str, model: str = "org/M", place: str = "", **more: object) -> Found:
    facts = {"key": replica, "address": replica, "engine": "vLLM", "model": model} | more
    return Found(replica=replica, place=place, **facts)  # type: ignore[arg-type]


def test_a_page_says_what_it_is_and_what_it_lacks() -> None:
    lacks = ("time to first token",)
    (one,) = called([found("h:1", address="http://h:1/metrics", lacks=lacks)])
    assert page_sentence(one) == (
        "http://h:1/metrics: vLLM, model org/M – replica h:1 of pool M; "
        "1 of 8 signals missing: time to first token"
    )


def test_what_a_page_does_not_give_is_told() -> None:
    names = ("vllm:num_requests_running", "vllm:generation_tokens_total")
    lacks = missing([Sample(name, {}, 1.0) for name in names])
    assert len(lacks) == 6
    assert not {"requests running", "output tokens"} & set(lacks)


@pytest.mark.parametrize(
    ("findings", "pools"),
    [
        pytest.param([found("a"), found("b")], {"M"}, id="one-model-one-pool"),
        pytest.param([found("a"), found("b", "N")], {"M", "N"}, id="two-models"),
        pytest.param([found("a", ""), found("b", "")], {"vLLM"}, id="no-model-named"),
        pytest.param(
            [found("a", place="eu-x"), found("b", place="us/x")], {"M@eu-x", "M@us-x"}, id="places"
        ),
    ],
)
def test_pools_are_models(findings: list[Found], pools: set[str]) -> None:
    assert {one.pool for one in called(findings)} == pools


def test_replicas_of_one_name_are_called_by_their_address() -> None:
    twins = [found("pod-1", address="10.0.0.1:8000"), found("pod-1", address="10.0.0.1:8001")]
    assert [one.replica for one in called(twins)] == ["10.0.0.1:8000", "10.0.0.1:8001"]


def test_a_prometheus_is_summed_up_in_a_sentence() -> None:
    watched = called([found(f"a{n}") for n in range(8)] + [found("b", "N")])
    assert pools_sentence(watched) == "9 vLLM replicas in 2 pools (M: 8, N: 1)"


def test_nobody_drives_a_pool_that_is_only_looked_at() -> None:
    pool, *replicas = statuses(called([found("a"), found("b", up=False)]), 5, "local")
    assert (pool.pool, getattr(pool, "driver"), getattr(pool, "ready")) == ("M", "", 1)  # noqa: B009
    assert [getattr(one, "state") for one in replicas] == ["ready", "failed"]  # noqa: B009
