"""What INGEST makes of the requests in a log."""

import asyncio
from collections import Counter

from streams.app import create_app
from streams.batch import Message
from streams.codec import decode_block
from streams.ingest import attach
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.windows.blocks import decode_table
from tests.streams.toys import running

SUMS = ("arrived", "finished", "failed", "cancelled", "prompt_tokens", "output_tokens")


async def ingested(settings: StreamSettings, arrivals: int) -> tuple[dict[str, int], int]:
    """The sums until so many have arrived and nothing more comes for some beats; dead letters."""
    app = create_app("ingest", settings)
    attach(app, settings)
    found: Counter[str] = Counter()
    letters = beats = 0
    topics = ["partials", "dead-letters"]
    async with running(app), asyncio.timeout(60), TopicReader(settings, topics) as reader:
        while found["arrived"] < arrivals or beats < 8:
            for message in await reader.poll(0.5):
                letters += message.topic == "dead-letters"
                sums = _sums(message)
                found.update(sums)
                beats += found["arrived"] >= arrivals and not sums
    return dict(found), letters


def _sums(message: Message) -> dict[str, int]:
    if message.topic != "partials":
        return {}
    block = decode_block(message.value or b"")
    if block.header.source != "requests":
        return {}
    ints = decode_table(block).ints
    return {name: int(ints[name].sum()) for name in SUMS if name in ints and ints[name].any()}
