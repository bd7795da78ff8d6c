"""Records of one site in, all that it has to tell out: INGEST, WATCH and RESPOND, pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from detectors.incidents.lifecycle import LifecycleRules
from detectors.incidents.respond import Respond
from detectors.watch import Watch, WatchState, meaning_of
from streams.batch import Message, RecordBatch
from streams.codec import decode_block, encode_block, encode_record
from streams.intake import STATE_TOPIC, Ingest
from streams.packing import pack, unpack
from streams.progress import Progress
from streams.schemas.system import DeadLetter, Quality, SourceMark
from streams.stage import Out
from streams.ticked import held_us, intervals_us
from streams.ticks import Inputs
from tidegate.settings import Settings

READ_HERE: Final = ("engine", "gpu", "changes")
"""Raw topics of a site; each has one partition."""
TOLD: Final = frozenset({"windows", "anomalies", "incidents", "quality", "dead-letters"})


@dataclass(slots=True, kw_only=True)
class SiteState:
    """Everything a snapshot has to keep."""

    watch: WatchState
    marks: dict[str, SourceMark] = field(default_factory=dict)
    respond: dict[str, bytes] = field(default_factory=dict)
    ticks: Progress = field(default_factory=Progress)
    clock_us: int = 0


class Site:
    """The same records and clocks give the same messages, also across ``save`` and ``load``.

    settings: those of a site, see ``settings_of``.
    """

    def __init__(self, settings: Settings) -> None:
        stream, detection = settings.stream, settings.detection
        sources = [(topic, 0) for topic in READ_HERE]
        self.meaning = meaning_of(detection, stream.windows, sources)
        self.clock_us = 0
        self._stream = stream
        self._name = settings.cluster
        self._ingest = {topic: Ingest(topic, 0, stream) for topic in READ_HERE}
        self._marks: dict[str, SourceMark] = {}
        self.watch = Watch(
            0, detection, stream.windows, sources, block_bytes=stream.topics.block_bytes
        )
        rules = LifecycleRules(resolves_after_s=detection.incident_resolves_after_s)
        self._respond = Respond(rules, cluster=self._name)
        self._kept: dict[str, bytes] = {}
        self._inputs = self._begun(Progress())
        self._counts: Counter[str] = Counter()

    def step(self, records: Sequence[Out], clock_us: int) -> list[Out]:
        """What there is to tell because of ``records``, read just now, and because it is now.

        A clock that goes back stands still.
        """
        self.clock_us = max(self.clock_us, clock_us)
        partials = [out for out in self._ingested(records) if self._is_to_tell(out)]
        watched = self.watch.step(self._messages(partials, "partials"))
        found = [out for out in [*partials, *watched] if out.topic in TOLD]
        changes = [out for out in records if out.topic == "changes"]
        return [*found, *self._responded([*changes, *partials, *watched])]

    def save(self) -> bytes:
        # Between steps nothing is held: RESPOND has stepped to where the windows are.
        ticks = self._inputs.progress().but(places={})
        return pack(
            SiteState(
                watch=self.watch.state,
                marks=self._marks,
                respond=self._kept,
                ticks=ticks,
                clock_us=self.clock_us,
            )
        )

    def load(self, data: bytes) -> None:
        """Take up what ``save`` of another gave, before any step. Raises SnapshotError."""
        state = unpack(data, SiteState)
        self.watch.state = state.watch
        self._marks, self._kept, self.clock_us = state.marks, state.respond, state.clock_us
        for topic, mark in state.marks.items():
            self._ingest[topic].resume(mark)
        self._respond.restore(state.respond)
        self._inputs = self._begun(state.ticks)

    def _begun(self, progress: Progress) -> Inputs:
        return Inputs(
            self._respond.inputs,
            1,
            interval_us=intervals_us(self._stream.windows),
            progress=progress,
            stall_us=None,  # Here nobody waits for anything.
            held_us=held_us(self._stream.windows),
        )

    def _ingested(self, records: Iterable[Out]) -> Iterator[Out]:
        values: defaultdict[str, list[msgspec.Struct]] = defaultdict(list)
        for out in records:
            assert isinstance(out.value, msgspec.Struct)  # noqa: S101
            values[out.topic].append(out.value)
        for topic, ingest in self._ingest.items():
            mark = self._marks.get(topic)
            start = mark.next_offset if mark else 0
            batch = self._batch(topic, start, values[topic])
            yield from ingest.step(batch) if values[topic] else ()
            yield from ingest.idle(batch.next, self.clock_us)

    def _batch(self, topic: str, start: int, records: Sequence[msgspec.Struct]) -> RecordBatch:
        messages = [
            Message(topic, 0, offset, self.clock_us, b"", encode_record(record))
            for offset, record in enumerate(records, start)
        ]
        return RecordBatch(topic, 0, start, start + len(messages), messages)

    def _is_to_tell(self, out: Out) -> bool:
        if out.topic == STATE_TOPIC and isinstance(out.value, SourceMark):
            self._marks[out.key.partition("/")[0]] = out.value
        return out.topic != STATE_TOPIC

    def _responded(self, found: Sequence[Out]) -> Iterator[Out]:
        for topic in ("changes", "quality", "windows", "anomalies"):
            for message in self._messages(found, topic):
                self._inputs.add(message, self.clock_us)
        while ticks := self._inputs.due(self.clock_us):
            for tick in ticks:
                outcome = self._respond.step(tick)
                for key, value in outcome.state.items():
                    self._kept.pop(key, None)
                    self._kept |= {key: value} if value is not None else {}
                yield from outcome.out
        self._inputs.progress()  # It forgets what lies behind.

    def _messages(self, found: Iterable[Out], topic: str) -> Iterator[Message]:
        for out in found:
            if out.topic == topic:
                offset = self._counts[topic]
                self._counts[topic] += 1
                yield Message(topic, 0, offset, self.clock_us, out.key.encode(), out.payload)


def settings_of(settings: Settings) -> Settings:
    """As the thinking of the site has them: the cluster is the site, and all is one shard."""
    topics = settings.stream.topics.model_copy(update={"shards": 1, "raw_partitions": 1})
    stream = settings.stream.model_copy(update={"topics": topics})
    return settings.model_copy(update={"stream": stream, "cluster": settings.edge.site})


def worth_sending(out: Out) -> bool:
    """Windows that are final and hold something, and all that is no block."""
    if not isinstance(out.value, bytes):
        return True
    block = decode_block(out.value)
    return not block.header.provisional and bool(block.columns or block.payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """As whom a site sends.

    shard: of the centre, where blocks of this site go.
    """

    site: str
    shard: int

    def addressed(self, out: Out, position: int, *, lost: int) -> Out:
        """As the centre is to have it: number ``position`` of all that the site sends."""
        match out.value:
            case bytes() as data:
                value = self._stamped(data, position)
                return replace(out, key=str(self.shard), value=value, partition=self.shard)
            case Quality() as quality:
                ours = quality.but(site=self.site, lost=lost)
                return replace(out, key=f"{self.site}/{out.key}", value=ours)
            case DeadLetter() as letter:
                named = letter.but(topic=f"{self.site}/{letter.topic}")
                return replace(out, key=f"{self.site}/{out.key}", value=named)
            case _:
                return out

    def _stamped(self, data: bytes, position: int) -> bytes:
        block = decode_block(data)
        header = block.header.but(
            source=self.site, shard=self.shard, from_offset=position, next_offset=position + 1
        )
        return encode_block(header, block.columns, payload=block.payload)
