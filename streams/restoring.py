"""A handler that knows what came before an offset: by a snapshot, or the log, or both."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from streams import metrics
from streams.batch import RecordBatch
from streams.keeper import Keeper
from streams.vitals import Vital
from streams.work import Log, LogHandler, Work


@dataclass(frozen=True, slots=True)
class Restored:
    """keeper: of a stage that keeps snapshots, for the partition that the handler is for."""

    handler: LogHandler
    keeper: Keeper | None


async def restored(
    work: Work, source: Log, place: tuple[str, int], before: range, vital: Vital
) -> Restored:
    """``before``: from the first offset that the log has to where processing goes on."""
    begin, start = before.start, before.stop
    loop, make, partition = asyncio.get_running_loop(), partial(work.handler, *place), place[1]
    began_at, keeper = loop.time(), None
    if work.keeping is None:
        handler, known = make(), begin if work.replay else start
    else:
        keeper = Keeper(work.keeping, work.stage, partition, source)
        handler, known = await keeper.restored(make, begin=begin, committed=start)
    names = work.stage, str(partition)
    await handler.restore(_counted(source.replay(known, start), names, vital))
    took_s = loop.time() - began_at
    metrics.RESTORE_SECONDS.labels(*names).set(took_s)
    if keeper is not None:
        keeper.worked_s += took_s
    return Restored(handler, keeper)


async def _counted(
    replay: AsyncIterator[RecordBatch], names: tuple[str, str], vital: Vital
) -> AsyncIterator[RecordBatch]:
    async for batch in replay:
        vital.stir()
        metrics.REPLAYED.labels(*names).inc(len(batch.messages))
        yield batch
