"""INGEST, WATCH and RESPOND behind the model's owners: the project's own thinking, no I/O."""

from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from typing import Final, TypeVar

from detectors.incidents.lifecycle import LifecycleRules
from detectors.incidents.respond import Respond
from detectors.settings import DetectionSettings
from detectors.watch import Watch
from streams.arrivals import BLOCKS
from streams.batch import Message, RecordBatch
from streams.ingest import IngestHandler
from streams.intake import STATE_TOPIC
from streams.progress import Progress
from streams.restoring import told_by
from streams.settings import StreamSettings
from streams.stage import Out
from streams.ticked import OFFSETS, Unwritten, held_us, intervals_us
from streams.ticks import Inputs
from tests.model.broker import Broker, Producer, Source
from tests.model.owner import Owner, Process, Steps

T = TypeVar("T")
RECORDS: Final = ("changes", "pools", "quality", "commands")


class IngestModel:
    """One source partition's INGEST, restored from its marks."""

    def __init__(self, source: Source, settings: StreamSettings, broker: Broker) -> None:
        self.state = STATE_TOPIC, source[1]
        self._broker = broker
        self._handler = IngestHandler(*source, settings, stored=self._stored)

    def told(self, broker: Broker) -> None:
        """Its marks tell, which it reads to restore itself."""

    def restore(self, broker: Broker, committed: int) -> None:
        _now(self._handler.restore(_nothing()))

    def handle(self, batch: RecordBatch) -> Sequence[Out]:
        return _now(self._handler.handle(batch))

    def idle(self, position: int, clock_us: int) -> Sequence[Out]:
        return _now(self._handler.idle(position, clock_us))

    async def _stored(self) -> AsyncIterator[Message]:
        for message in self._broker.newest(self.state):
            yield message


class WatchModel:
    """One shard's WATCH, restored by replaying its log."""

    state = None

    def __init__(
        self,
        shard: int,
        detection: DetectionSettings,
        stream: StreamSettings,
        sources: Sequence[Source],
    ) -> None:
        self.watch = Watch(
            shard,
            detection,
            stream.windows,
            sources,
            block_bytes=stream.topics.block_bytes,
        )

    def told(self, broker: Broker) -> int | None:
        log = broker.logs["anomalies", self.watch.shard]
        return told_by(log.read(0, log.end).messages)

    def restore(self, broker: Broker, committed: int) -> None:
        log = broker.logs["partials", self.watch.shard]
        self.watch.step(m for m in log.read(0, log.end).messages if m.offset < committed)

    def handle(self, batch: RecordBatch) -> Sequence[Out]:
        return self.watch.step(batch.messages)

    def idle(self, position: int, clock_us: int) -> Sequence[Out]:
        return ()


class RespondOwner(Owner):
    """RESPOND as ``streams/ticked.py`` runs it."""

    def __init__(self, process: Process, settings: StreamSettings, rules: LifecycleRules) -> None:
        super().__init__(process, ("feedback", 0))
        self._settings = settings
        self._rules = rules

    def _work(self, producer: Producer) -> Steps:
        state = {
            (m.key or b"").decode(): m.value
            for m in self._broker.newest(("state.respond", 0))
            if m.value is not None
        }
        progress = Progress.load(state.pop(OFFSETS, None))
        thinker = Respond(self._rules)
        thinker.restore(state)
        inputs = Inputs(
            thinker.inputs,
            self._settings.topics.shards,
            interval_us=intervals_us(self._settings.windows),
            progress=progress,
            stall_us=None,
            held_us=held_us(self._settings.windows),
        )
        positions = progress.starts()
        yield
        while True:
            if self._recheck:
                self._check_again()
            self._read(inputs, positions, inputs.topics)
            yield
            # Windows must not carry ticks past records that simply have not been read yet.
            while self._behind(inputs, positions):
                self._read(inputs, positions, RECORDS)
                yield
            yield from self._tick(inputs, thinker, producer)
            yield

    def _behind(self, inputs: Inputs, positions: dict[Source, int]) -> bool:
        ends = {source: log.end for source, log in self._broker.logs.items()}
        return any(
            positions.get(source, 0) < end
            for source, end in ends.items()
            if source[0] in inputs.topics and source[0] not in BLOCKS
        )

    def _read(self, inputs: Inputs, positions: dict[Source, int], topics: Collection[str]) -> None:
        for source in sorted(self._broker.logs):
            if (
                source[0] in topics
                and source[0] in inputs.topics
                and source not in inputs.held_back()
            ):
                batch = self._broker.logs[source].read(positions.get(source, 0), self._process.most)
                positions[source] = batch.next
                for message in batch.messages:
                    inputs.add(message, self._process.clock())

    def _tick(self, inputs: Inputs, thinker: Respond, producer: Producer) -> Steps:
        unwritten = Unwritten()
        while ticks := inputs.due(self._process.clock()):
            for tick in ticks:
                unwritten.add(thinker.step(tick))
            outcome = unwritten.taken({OFFSETS: inputs.progress().dump()})
            state = [
                Out(topic="state.respond", key=key, value=value)
                for key, value in outcome.state.items()
            ]
            yield
            yield from self._commit(producer, [*outcome.out, *state], None)


async def _nothing() -> AsyncIterator[RecordBatch]:
    no_batches: tuple[RecordBatch, ...] = ()
    for batch in no_batches:
        yield batch


def _now(coroutine: Coroutine[object, object, T]) -> T:
    """The result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something")
