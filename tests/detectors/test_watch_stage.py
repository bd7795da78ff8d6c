"""WATCH behind its log: it answers batches, and takes the past in without a word."""

from collections.abc import AsyncIterator

from detectors.stage import WatchHandler
from streams.batch import Message, RecordBatch
from tests.detectors.test_watch import quiet_chain
from tests.scenarios.chain import contents, new_watch


async def batches(log: list[Message], size: int = 7) -> AsyncIterator[RecordBatch]:
    for start in range(0, len(log), size):
        yield batch(log[start : start + size])


def batch(messages: list[Message]) -> RecordBatch:
    start = messages[0].offset
    return RecordBatch("partials", 0, start, start + len(messages), messages)


async def test_after_a_restart_the_rest_comes_out_as_without() -> None:
    chain = quiet_chain(20)
    half = len(chain.log) // 2
    before = new_watch().step(chain.log[:half])
    handler = WatchHandler(new_watch())
    await handler.restore(batches(chain.log[:half]))
    after = await handler.handle(batch(chain.log[half:]))
    assert contents([*before, *after]) == contents(chain.told)


async def test_an_empty_log_says_nothing() -> None:
    handler = WatchHandler(new_watch())
    assert list(await handler.handle(RecordBatch("partials", 0, 0, 3))) == []
    assert list(await handler.idle(3, 1)) == []
