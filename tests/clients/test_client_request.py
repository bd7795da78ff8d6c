"""The life of a request, by hand and by decorator."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.clients.telling import Told


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_request_tells_all_there_is_to_tell(told: Told) -> None:
    request = told.client.request(pool="chat", model="m", tenant="t", prompt_tokens=7)
    request.replica = "chat-1"
    request.first_token()
    request.finished(output_tokens=3)

    arrived, finished = told.events()

    assert (arrived["kind"], arrived["prompt_tokens"], arrived["output_tokens"]) == (
        "arrived",
        7,
        0,
    )
    labels = {name: finished[name] for name in ("pool", "model", "tenant", "cluster", "replica")}
    assert labels == {
        "pool": "chat", "model": "m", "tenant": "t", "cluster": "local", "replica": "chat-1",
    }  # fmt: skip
    assert (finished["status"], finished["output_tokens"]) == (200, 3)
    assert finished["inter_token_s"] == (finished["duration_s"] - finished["ttft_s"]) / 2
    assert finished["at_us"] > arrived["at_us"]


def test_a_long_label_is_cut_to_what_a_label_may_have(told: Told) -> None:
    told.client.request(pool="p" * 300)
    assert told.events()[0]["pool"] == "p" * 256


def test_only_the_first_end_counts(told: Told) -> None:
    with told.client.request(pool="chat") as request:
        request.rejected(503, "queue_full")
        request.finished()
        request.cancelled()
    assert told.kinds() == ["arrived", "rejected 503 queue_full"]


@pytest.mark.parametrize(
    ("error", "end"),
    [
        pytest.param(ValueError("no"), "finished 500 ValueError", id="an-error-is-ours"),
        pytest.param(asyncio.CancelledError(), "cancelled 499", id="a-cancelled-task-is-not"),
        pytest.param(GeneratorExit(), "cancelled 499", id="nor-a-stream-nobody-reads"),
    ],
)
def test_what_comes_out_of_the_block_ends_it(told: Told, error: BaseException, end: str) -> None:
    with pytest.raises(type(error)), told.client.request(pool="chat"):
        raise error
    assert told.kinds() == ["arrived", end]


def test_nonsense_never_raises_into_the_service(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    with told.client.request(pool=None, model=7) as request:  # type: ignore[arg-type]
        request.output_tokens = "many"  # type: ignore[assignment]
    for _ in range(3):
        assert not told.client.gpu({"node": "n", "colour": "blue"})
        assert not told.client.emit("requests", None)  # type: ignore[arg-type]
    told.client.close(5.0)
    counters = told.client.counters
    assert (counters.sent, counters.dropped) == (1, {"unfit": 7})
    assert len(caplog.messages) == 2  # one for each topic


def test_other_records_go_to_topics_of_their_own(told: Told) -> None:
    told.client.gauge(pool="chat", queued=1, in_flight=2)
    told.client.engine({"pool": "chat", "replica": "chat-1", "running": 3})
    told.client.gpu({"node": "n", "gpu_uuid": "GPU-1", "power_w": 300.0})
    told.client.change({"id": "7", "kind": "deployed", "summary": "v2"})
    told.client.close(5.0)
    assert sorted(frame.topic for frame in told.broker.taken) == [
        "changes", "engine", "gpu", "requests",
    ]  # fmt: skip


def test_a_function_is_a_request_with_labels_of_its_arguments(told: Told) -> None:
    @told.client.observed(pool="chat", tenant=lambda who: who, model=lambda _: str(1 / 0))
    def answer(who: str) -> str:
        return f"hello {who}"

    assert answer("ada") == "hello ada"
    assert answer.__name__ == "answer"
    assert {(event["tenant"], event["model"]) for event in told.events()} == {("ada", "")}


def test_a_generator_has_a_first_token(told: Told) -> None:
    @told.client.observed(pool="chat")
    def words() -> Iterator[str]:
        yield from ("to", "be")

    assert list(words()) == ["to", "be"]
    assert told.events()[1]["ttft_s"] is not None


async def test_a_coroutine_ends_with_its_answer(told: Told) -> None:
    @told.client.observed(pool="chat")
    async def answer() -> int:
        await asyncio.sleep(0)
        return 7

    assert await answer() == 7
    assert told.kinds() == ["arrived", "finished 200"]


async def test_a_stream_that_is_left_is_cancelled_and_closed(told: Told) -> None:
    closed = []

    @told.client.observed(pool="chat")
    async def words() -> AsyncIterator[str]:
        try:
            yield "to"
            yield "be"
        finally:
            closed.append(True)

    stream = words()
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]

    assert closed == [True]
    assert told.kinds() == ["arrived", "cancelled 499"]
