"""An API that is started anew on a real broker, and keys that were used before it was."""

from contextlib import AsyncExitStack

import httpx
import pytest

from streams.admin import create_topics
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.stage import Out
from tests.autoscaler.world import pool_status
from tests.streams.toys import new_prefix, toy_settings
from tidegate.api import create
from tidegate.settings import Settings

pytestmark = pytest.mark.broker
KEY = {"Idempotency-Key": "k1"}


async def ask(settings: Settings, replicas: int, stack: AsyncExitStack) -> httpx.Response:
    """Of an API that has just been started; asked again while it still reads the log."""
    app = create(settings)
    await stack.enter_async_context(app.router.lifespan_context(app))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8088")
    await stack.enter_async_context(client)
    while True:
        answer = await client.post(
            "/v1/pools/codex/override", json={"replicas": replicas}, headers=KEY
        )
        if answer.status_code not in {404, 503}:  # neither the pool nor old keys are known yet
            return answer


async def commands(stream: StreamSettings) -> int:
    async with TopicReader(stream, ["commands"]) as reader:
        found = 0
        while not reader.caught_up.is_set() or not found:
            found += len(await reader.poll(1.0))
    return found


async def test_a_key_means_the_same_after_a_restart(broker_url: str) -> None:
    stream = toy_settings(broker_url, new_prefix(), "at_least_once")
    settings = Settings(stream=stream)
    await create_topics(stream)
    async with Publisher(stream) as publisher:
        status = pool_status(0, max_replicas=4)
        await publisher.send(Out(topic="pools", key="local/codex", value=status))
    answers = []
    for replicas in (3, 3, 4):
        async with AsyncExitStack() as stack:
            answers.append(await ask(settings, replicas, stack))

    assert [one.status_code for one in answers] == [202, 202, 422]
    assert answers[0].json() == answers[1].json()
    assert await commands(stream) == 1
