"""One source partition in, batch by batch; blocks, dead letters and marks out: INGEST, pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from streams.clock import SECOND_US
from streams.codec import BlockHeader
from streams.controls import Controls
from streams.dead_letters import dead_letter
from streams.inputs import KIND_OF, decoder_of, later_s, maps_of, state_partition
from streams.maps.reading import MapDecoder
from streams.origins import Heard, OriginTally
from streams.partials import Deltas, Gathering, Partials, Summing
from streams.portions import Decoded, Flaw
from streams.punctuality import Punctuality, Sorted
from streams.repeats import Repeats
from streams.schemas.origins import Origins
from streams.schemas.system import FrameMark, Quality, SourceMark
from streams.settings import StreamSettings
from streams.stage import Out
from streams.tally import Tally, summed
from streams.windows.check import Reject
from streams.windows.fields import Fields

if TYPE_CHECKING:
    from streams.batch import RecordBatch, Records

STATE_TOPIC: Final = "state.ingest"
_FAR: Final = "event time is {:.3f} s after the append time, allowed are {:g} s"


class Ingest:
    """What becomes of one source partition; the same log gives the same sums, however it is cut.

    Always: records in = records in blocks + late + dead letters, besides those of repeated frames.
    Its state is in what it writes: ``resume`` and ``remember`` take it up again.
    """

    def __init__(self, topic: str, partition: int, settings: StreamSettings) -> None:
        self.newest: Quality | None = None
        """Counts of the last step."""
        self._topic = topic
        self._partition = partition
        self._repeats = Repeats()
        self.decoder = decoder_of(topic, settings, self._repeats)
        self._partials = _partials_of(topic, settings)
        self._is_changes = isinstance(self._partials, Controls)
        self._state_partition = state_partition(topic, partition, settings)
        self._punctuality = Punctuality.of(settings.windows, later_s=later_s(topic, settings))
        self._tally = Tally()
        self._origins = (
            OriginTally(self._partials.index) if isinstance(self._partials, Deltas) else None
        )
        self._next: int | None = None

    @property
    def watermark_us(self) -> int:
        return self._punctuality.watermark_us

    def resume(self, mark: SourceMark) -> None:
        """Take up where a step before left off; call with what ``state.ingest`` holds."""
        self._next = mark.next_offset
        self._punctuality.watermark_us = mark.watermark_us
        self._tally.pending = mark.quality
        if self._origins:
            self._origins.resume(mark.origins)

    def remember(self, mark: FrameMark) -> None:
        """Take up which frames of a producer have been counted; oldest marks first."""
        self._repeats.remember(mark)

    def step(self, batch: "RecordBatch") -> list[Out]:
        """All there is to write for the log interval [batch.start, batch.next), in one go."""
        # The block of a change has the watermark of just that change, however the log is cut.
        parts = _by_stamp(batch) if self._is_changes else (batch,)
        self.newest = None
        return [out for part in parts for out in self._step(part)]

    def _step(self, batch: "RecordBatch") -> list[Out]:
        if self._next is not None and batch.start < self._next:
            self._read_again()
        records = batch.records
        gathering = self._partials.gather(self._punctuality.passed_us)
        decoded = self._decoded(records, gathering.add)
        at_us = gathering.at_us()
        found = self._punctuality.sort(
            records.timestamps_us, decoded.message, at_us, self._partials.window_ends(at_us)
        )
        made = gathering.make(found.fit, self._header(batch.start, batch.next))
        far_at = np.flatnonzero(found.far).tolist()
        far = {at: self._far(int(-found.behind_us[at])) for at in far_at}
        counts = self._counted(decoded, found, records, len(made.rejects))
        self.newest = summed(self.newest, counts) if self.newest else counts
        return [
            *_to_shards(made.blocks),
            *_letters(
                [*decoded.flaws, *self._flaws(decoded, {**far, **made.rejects}, records)], records
            ),
            *self._frame_marks(decoded),
            *self._told(self._heard(decoded, found, made.rejects, gathering)),
            *self._progress(batch.next, self._tally.add(counts)),
        ]

    def _heard(
        self, decoded: Decoded, found: Sorted, rejects: Iterable[int], gathering: Gathering
    ) -> list[Origins]:
        """The intervals of its senders that are over."""
        if self._origins is None or not isinstance(gathering, Summing):
            return []
        columns = gathering.columns()
        return self._origins.add(Heard.of(decoded, found, rejects, columns))

    def _decoded(self, records: "Records", add: Callable[[Fields], None]) -> Decoded:
        if isinstance(self.decoder, MapDecoder):
            return self.decoder.decode(records.values, add, records.timestamps_us.tolist())
        return self.decoder.decode(records.values, add)

    def idle(self, position: int, clock_us: int) -> list[Out]:
        """The log ends at ``position``; the clock showed ``clock_us`` before that was found."""
        self._punctuality.at_end(clock_us)
        nothing = np.zeros(0, np.bool_)
        gathering = self._partials.gather(self._punctuality.passed_us)
        made = gathering.make(nothing, self._header(position, position))
        return [
            *_to_shards(made.blocks),
            *self._told(
                self._origins.end_before(self._punctuality.passed_us) if self._origins else []
            ),
            *self._progress(position, self._tally.end_before(clock_us)),
        ]

    def _header(self, start: int, following: int) -> BlockHeader:
        # Markers of transactions take offsets without a batch: they lie in the next block.
        begin = start if self._next is None else min(start, self._next)
        self._next = following
        return BlockHeader(
            kind="",
            shard=0,
            source=self._topic,
            partition=self._partition,
            from_offset=begin,
            next_offset=following,
            watermark_us=self._punctuality.watermark_us,
        )

    def _read_again(self) -> None:
        """Forget: it is from after this point and, without transactions, perhaps never written."""
        self._repeats.clear()
        if self._origins:
            self._origins.resume(None)
        self._punctuality.watermark_us = 0
        self._next = None

    def _far(self, ahead_us: int) -> Reject:
        limit_s = self._punctuality.max_skew_us / SECOND_US
        return Reject("far_future", _FAR.format(ahead_us / SECOND_US, limit_s))

    def _counted(
        self, decoded: Decoded, found: Sorted, records: "Records", rejected: int
    ) -> Quality:
        behind = found.behind_us[found.fit]
        return Quality(
            at_us=int(records.timestamps_us.max(initial=0)),
            source=self._topic,
            partition=self._partition,
            records=found.fit.size + len(decoded.flaws),
            accepted=int(np.count_nonzero(found.fit)) - rejected,
            late=int(np.count_nonzero(found.late)),
            far_future=int(np.count_nonzero(found.far)),
            dead=len(decoded.flaws) + rejected,
            duplicate_frames=decoded.repeated_frames,
            behind_s=float(np.median(behind)) / SECOND_US if behind.size else None,
        )

    def _flaws(
        self, decoded: Decoded, rejects: Mapping[int, Reject], records: "Records"
    ) -> Iterator[Flaw]:
        """Of records that could be read."""
        message, line = decoded.message, decoded.line
        by_message = sorted(rejects, key=lambda at: int(message[at]))
        for number, places in groupby(by_message, key=lambda at: int(message[at])):
            raw = self.decoder.raw_of(records.values[number] or b"")
            for at in places:
                yield Flaw(number, int(line[at]), rejects[at], raw(int(line[at])))

    def _told(self, ended: Iterable[Origins]) -> Iterator[Out]:
        for origins in ended:
            told = Quality(
                at_us=origins.from_us,
                source=self._topic,
                partition=self._partition,
                records=0,
                accepted=0,
                origins=origins,
                lateness_s=self._punctuality.lateness_us / SECOND_US,
            )
            yield Out(topic="quality", key=self._key(), value=told)

    def _progress(self, position: int, ended: Quality | None) -> Iterator[Out]:
        if ended is not None:
            yield Out(topic="quality", key=self._key(), value=ended)
        mark = SourceMark(
            next_offset=position,
            watermark_us=self._punctuality.watermark_us,
            quality=self._tally.pending,
            origins=self._origins.pending if self._origins else None,
        )
        yield self._state(self._key(), mark)

    def _frame_marks(self, decoded: Decoded) -> Iterator[Out]:
        for (producer, boot), mark in decoded.marks.items():
            yield self._state(self._key(producer, boot), mark)
        for producer, boot in self._repeats.forgotten():
            yield self._state(self._key(producer, boot), None)

    def _key(self, *more: str) -> str:
        return "/".join([self._topic, str(self._partition), *more])

    def _state(self, key: str, value: msgspec.Struct | None) -> Out:
        return Out(topic=STATE_TOPIC, key=key, value=value, partition=self._state_partition)


def _partials_of(topic: str, settings: StreamSettings) -> Partials:
    shards, block_bytes = settings.topics.shards, settings.topics.block_bytes
    maps = maps_of(topic, settings)
    kind = maps[0].record if maps else KIND_OF.get(topic, "change")
    if kind == "change":
        return Controls(shards=shards, block_bytes=block_bytes)
    windows = settings.windows
    interval_s = windows.gpu_interval_s if kind == "gpu" else windows.interval_s
    return Deltas(
        kind,
        interval_us=interval_s * SECOND_US,
        shards=shards,
        block_bytes=block_bytes,
    )


def _by_stamp(batch: "RecordBatch") -> Iterator["RecordBatch"]:
    """The batch cut where the append time changes; what was appended together stays together."""
    groups = [list(group) for _, group in groupby(batch.messages, attrgetter("timestamp_us"))]
    start = batch.start
    for number, group in enumerate(groups or [[]], 1):
        following = batch.next if number >= len(groups) else group[-1].offset + 1
        yield replace(batch, start=start, next=following, messages=group)
        start = following


def _to_shards(blocks: Sequence[Sequence[bytes]]) -> Iterator[Out]:
    for shard, parts in enumerate(blocks):
        for part in parts:
            yield Out(topic="partials", key=str(shard), value=part, partition=shard)


def _letters(flaws: Iterable[Flaw], records: "Records") -> Iterator[Out]:
    for flaw in sorted(flaws, key=lambda flaw: (flaw.message, flaw.line)):
        yield dead_letter(records[flaw.message], flaw.line, flaw.raw, flaw.reject)
