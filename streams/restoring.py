"""A handler that knows what came before an offset: by a snapshot, or the log, or both."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from functools import partial

from streams import metrics
from streams.batch import Message, RecordBatch
from streams.codec import decode_block
from streams.errors import CorruptMessageError, OwnershipLostError
from streams.keeper import REACHES, Keeper
from streams.vitals import Vital
from streams.work import Log, LogHandler, Work


@dataclass(frozen=True, slots=True)
class Restored:
    """keeper: of a stage that keeps snapshots, for the partition that the handler is for."""

    handler: LogHandler
    keeper: Keeper | None


def not_behind(name: str, offset: int | None, known: int | None) -> int | None:
    """The group's offset, held against one that is known to have been committed.

    A broker that has just come back may for seconds show an offset from long before. Raises
    OwnershipLostError then: to take over anew, a little later, is all there is to do.
    """
    if known is not None and (offset is None or offset < known):
        raise OwnershipLostError(
            f"{name}: the group's offset says {offset}, but {known} was committed: "
            "the coordinator is behind"
        )
    return offset


async def begins_at(work: Work, source: Log, name: str, known: int | None) -> int | None:
    """Where the group says that processing goes on; None where nothing was ever committed.

    known: what we have committed ourselves. Others have told in what they wrote how far they came.
    """
    offset = not_behind(name, await source.committed(), known)
    told = await _told(source, work.told_in) if work.told_in else None
    return not_behind(name, offset, told)


async def _told(source: Log, topic: str) -> int | None:
    for reach in REACHES:
        messages, complete = await source.tail(topic, reach)
        told = told_by(messages)
        if told is not None or complete:
            return told
    return None


def told_by(messages: Iterable[Message]) -> int | None:
    """Up to where, in the log it is made from, a stage had come when it wrote the newest block.

    What an edge site has written there too names its own positions and does not count.
    """
    return max(map(_next_offset, messages), default=0) or None


def _next_offset(message: Message) -> int:
    try:
        header = decode_block(message.value or b"").header
    except CorruptMessageError:
        return 0
    return 0 if header.source else header.next_offset


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
        keeper.writer.worked_s += took_s
    return Restored(handler, keeper)


async def _counted(
    replay: AsyncIterator[RecordBatch], names: tuple[str, str], vital: Vital
) -> AsyncIterator[RecordBatch]:
    async for batch in replay:
        vital.stir()
        metrics.REPLAYED.labels(*names).inc(len(batch.messages))
        yield batch
