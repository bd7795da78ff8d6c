"""What the pages of doors have in common: `tidegate receive` and what it has published."""

import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from streams.admin import create_topics
from streams.batch import Message
from streams.reader import TopicReader
from streams.settings import StreamSettings
from tests.adopt.page import environment
from tests.streams.toys import new_prefix, toy_settings

ROOT = Path(__file__).parents[2]


async def topics_at(url: str, delivery: str) -> StreamSettings:
    """Of a reader who has a broker with Tidegate's topics."""
    settings = toy_settings(url, new_prefix(), delivery)
    await create_topics(settings)
    return settings


def variables(settings: StreamSettings, **more: str) -> Mapping[str, str]:
    """Where the broker of the test is, and this checkout before any that is installed."""
    return {
        "TIDEGATE_STREAM__BROKER__URL": settings.broker.url,
        "TIDEGATE_STREAM__BROKER__DELIVERY": settings.broker.delivery,
        "TIDEGATE_STREAM__TOPICS__PREFIX": settings.topics.prefix,
        "PYTHONPATH": str(ROOT),
        **more,
    }


@asynccontextmanager
async def running(
    command: str, folder: Path, port: int, **more: str
) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """The command as it is typed, once it answers on the port."""
    env = environment(folder, **more)
    process = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=folder, env=env)  # noqa: ASYNC220  -- returns at once
    try:
        await _answers(f"http://127.0.0.1:{port}/healthz", process)
        yield process
    finally:
        process.terminate()
        process.wait(10)


async def _answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    async with aiohttp.ClientSession() as session:
        while process.poll() is None:
            with suppress(aiohttp.ClientError):
                async with session.get(url):
                    return
    raise AssertionError(f"it ended with {process.returncode}")


async def first(settings: StreamSettings, topic: str, wanted: Callable[[Message], bool]) -> Message:
    """The first message of this kind; the test's own limit of time holds."""
    async with TopicReader(settings, [topic]) as reader:
        async for messages in reader.batches():
            for message in messages:
                if wanted(message):
                    return message
    raise AssertionError("batches end only with the reader")
