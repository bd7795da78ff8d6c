"""Samples of engines one after the other: which differences are changes, and which are none."""

from typing import Any

import pytest

from streams.clock import SECOND_US
from streams.schemas.telemetry import Change, EngineSample
from streams.sources.engines import read_engine
from streams.sources.loads import MAX_ADAPTERS, EngineLoads
from streams.sources.meter import EngineMeter
from streams.sources.prometheus_text import parse
from tests.streams import engine_pages

NOON_US = 1_767_268_800 * SECOND_US
VLLM: dict[str, Any] = {"engine": "vllm", "version": "0.9", "model": "gemma", "up": 1.0}


def sample(at_s: float = 0, replica: str = "chat-1", **but: Any) -> EngineSample:
    facts = VLLM | but
    return EngineSample(
        at_us=NOON_US + round(at_s * SECOND_US), pool="chat", replica=replica, **facts
    )


def changes(*samples: EngineSample) -> list[Change]:
    loads = EngineLoads()
    return [change for one in samples for change in loads.seen(one)]


def said(*samples: EngineSample) -> list[tuple[str, str]]:
    return [(change.kind, change.summary) for change in changes(*samples)]


@pytest.mark.parametrize(
    ("later", "words"),
    [
        pytest.param([{}], [], id="the-same"),
        pytest.param([{"model": "llama"}], [], id="another-model-once-may-be-a-torn-page"),
        pytest.param(
            [{"model": "llama"}] * 3,
            [("model_loaded", "chat-1 serves llama instead of gemma")],
            id="another-model",
        ),
        pytest.param(
            [{"model": "gemma,llama"}] * 2, [("model_loaded", "chat-1 loaded llama")], id="one-more"
        ),
        pytest.param([{"model": ""}] * 3, [], id="no-model-is-no-word"),
        pytest.param([{"model": "x" * 256}] * 3, [], id="a-list-too-long-to-be-whole"),
        pytest.param(
            [{"restarts": 1}],
            [("model_loaded", "chat-1 was started anew and loaded gemma")],
            id="a-restart",
        ),
        pytest.param(
            [{"version": ""}, {"version": "0.10"}],
            [("deployed", "chat-1 runs vllm 0.10 instead of vllm 0.9")],
            id="another-version",
        ),
        pytest.param(
            [{"engine": "sglang", "version": "0.5"}],
            [("deployed", "chat-1 runs sglang 0.5 instead of vllm 0.9")],
            id="another-engine",
        ),
        pytest.param(
            [{"adapters": "sql"}, {"adapters": ""}, {"adapters": "sql"}],
            [("model_loaded", "chat-1 serves with adapter sql for the first time")],
            id="an-adapter-comes-once-however-often-it-rests",
        ),
        pytest.param(
            [{"adapters_loaded": loaded} for loaded in ("sql", "sql", "", "chat,sql", "-")],
            [
                ("model_loaded", "chat-1 loaded adapter chat"),
                ("model_loaded", "chat-1 unloaded adapter chat, sql"),
            ],
            id="adapters-that-are-loaded-and-unloaded",
        ),
        pytest.param(
            [{"adapters_loaded": "sql"}, {"adapters_loaded": "sql", "adapters": "sql"}],
            [],
            id="one-that-was-loaded-is-no-news-when-it-serves",
        ),
        pytest.param(
            [{"adapters_loaded": "sql"}, {"adapters_loaded": "", "restarts": 1}],
            [("model_loaded", "chat-1 was started anew and loaded gemma")],
            id="what-a-restart-took-along-is-not-told-beside-it",
        ),
        pytest.param([{"up": 0.0, "engine": ""}, {}], [], id="a-replica-that-was-away"),
    ],
)
def test_what_is_told(later: list[dict[str, Any]], words: list[tuple[str, str]]) -> None:
    samples = [sample(), *(sample(at_s, **but) for at_s, but in enumerate(later, 1))]
    assert said(*samples) == words


def test_a_model_that_is_only_known_later_is_no_change() -> None:
    assert changes(sample(model=""), sample(1), sample(2), sample(3)) == []


def test_a_change_is_of_its_replica_at_the_instant_of_the_sample() -> None:
    [change] = changes(sample(), sample(5, restarts=1))
    assert change == Change(
        id=f"local/chat/chat-1/restarted/{NOON_US + 5 * SECOND_US}",
        at_us=NOON_US + 5 * SECOND_US,
        kind="model_loaded",
        summary="chat-1 was started anew and loaded gemma",
        actor="vllm",
        pool="chat",
        replica="chat-1",
        attributes={"build": "vllm 0.9 gemma"},
    )


def test_two_engines_behind_one_address_are_no_flood() -> None:
    flapping = [sample(at_s, restarts=1, model="ab"[at_s % 2]) for at_s in range(120)]
    assert len(changes(*flapping)) == 2


def test_replicas_are_compared_with_themselves_only() -> None:
    assert changes(sample(), sample(1, "chat-2", model="llama"), sample(2)) == []


def test_adapters_without_end_are_no_news_any_more() -> None:
    flood = [sample(n, adapters=f"a{n}") for n in range(MAX_ADAPTERS + 100)]
    assert len(changes(*flood)) <= MAX_ADAPTERS


def test_replicas_without_end_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.sources.loads.MAX_TARGETS", 2)
    loads = EngineLoads()
    for name in ("a", "b", "c"):
        loads.seen(sample(0, name))
        loads.seen(sample(1, name, restarts=1))

    assert loads.seen(sample(2, "a", model="llama", restarts=1)) == []
    assert [one.replica for one in loads.seen(sample(62, "c", restarts=1))] == ["c"]


def metered(*pages: bytes) -> list[int]:
    meter = EngineMeter(cluster="local", pool="chat", replica="chat-1")
    readings = [read_engine(parse(page, wanted=("",)).samples) for page in pages]
    return [meter.sample(one, n * SECOND_US, 0.1).restarts for n, one in enumerate(readings)]


@pytest.mark.parametrize("page", [engine_pages.tgi, engine_pages.trtllm, engine_pages.old_vllm])
def test_counters_that_all_went_down_are_a_restart(page: Any) -> None:
    assert metered(page(50), page(60), page(3), page(9)) == [0, 0, 1, 0]


def test_one_counter_of_several_that_went_down_is_none() -> None:
    page = b'vllm:generation_tokens_total{engine="%d"} %d\n'
    both = [page % (0, 100) + page % (1, 100), page % (0, 5) + page % (1, 200)]
    assert metered(*both) == [0, 0]


def test_a_process_knows_best_when_it_was_started() -> None:
    work = b"vllm:generation_tokens_total 0\nprocess_start_time_seconds %d\n"
    assert metered(work % 1_700_000_000, work % 1_700_000_000, work % 1_700_000_900) == [0, 0, 1]
