import asyncio
import signal
from typing import Any

import pytest
from faust.types import TP

from streams.admin import create_topics
from streams.app import create_app, run_app
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.stage import Out
from tests.services.base import free_port
from tests.streams.toys import new_prefix, start, toy_settings


def test_without_a_broker_it_says_so_in_one_sentence_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("streams.connection.PATIENCE_S", 0.1)
    url = f"kafka://127.0.0.1:{free_port()}"

    assert run_app(create_app("watch", toy_settings(url, "p.", "exactly_once"))) == 1
    assert capsys.readouterr().err == (
        f"tidegate watch: broker {url} unavailable (tried for 0.1 s; nobody answers)\n"
    )


@pytest.mark.broker
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_working_stage_in_good_order(
    broker_url: str, number: signal.Signals
) -> None:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    worker = start("counting", settings)
    try:
        async with TopicReader(settings, ["anomalies"]) as reader, Publisher(settings) as source:
            await source.send(Out(topic="partials", key="k", value=b"1", partition=0))
            async with asyncio.timeout(60):
                while not await reader.poll(0.5):
                    pass
        worker.send_signal(number)
        assert await asyncio.to_thread(worker.wait, 10) == 0
    finally:
        worker.kill()
        await asyncio.to_thread(worker.wait)


class Broken:
    """An owner that cannot take what it is given."""

    async def assigned(self, partitions: set[TP]) -> None:
        raise ValueError("on purpose")

    async def revoked(self) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.mark.broker
def test_an_app_that_fails_says_so_and_ends(
    broker_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    asyncio.run(create_topics(settings))
    app = create_app("broken", settings)
    app.owners.append(Broken())

    @app.agent(app.batched_topic(f"{settings.topics.prefix}changes"), name="broken")
    async def nothing(batches: Any) -> None:
        async for _ in batches:
            pass

    assert run_app(app) == 1
    assert "tidegate broken: failed (" in capsys.readouterr().err
