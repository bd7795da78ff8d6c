"""Raw messages in, all that the stages write out: their thinking in one process, no broker."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from autoscaler.planner import Planner
from detectors.incidents.lifecycle import LifecycleRules
from detectors.incidents.respond import Respond
from detectors.watch import Watch
from streams.batch import Message, RecordBatch
from streams.inputs import INPUTS, inputs
from streams.intake import Ingest
from streams.maps.reading import MapDecoder
from streams.maps.registered import Registered
from streams.maps.schemas import SCHEMAS, Told
from streams.settings import StreamSettings
from streams.stage import Out, Thinker
from streams.ticked import held_us, intervals_us
from streams.ticks import Inputs
from tidegate.settings import Settings

Source = tuple[str, int]

RECORDED: Final = (*INPUTS, "pools", "commands")
"""What comes from outside, and so is, with mapped topics, all that a recording has to hold."""


class Chain:
    """INGEST of every source, WATCH of every shard, RESPOND and PLAN, on the recording's clock.

    What comes out finally does not depend on how the messages are divided among steps.

    sources: raw (topic, partition) pairs known beforehand; others are taken up with their first
        message, which is no later than anything a window waits for.
    """

    def __init__(self, settings: Settings, sources: Collection[Source] = ()) -> None:
        stream, detection = settings.stream, settings.detection
        self._stream = stream
        self._inputs = inputs(stream)
        self._schemas: list[Told] = []
        self._sources = {source: _Source(*source, stream) for source in sources}
        size = stream.topics.block_bytes
        self._shards = [
            Watch(shard, detection, stream.windows, sources, block_bytes=size)
            for shard in range(stream.topics.shards)
        ]
        rules = LifecycleRules(resolves_after_s=detection.incident_resolves_after_s)
        cluster = settings.cluster
        self._respond = _Ticked(Respond(rules, cluster=cluster), stream)
        self._plan = _Ticked(Planner(settings.scaling, settings.backend, cluster=cluster), stream)
        self._counts: defaultdict[Source, int] = defaultdict(int)

    @property
    def settled_us(self) -> int:
        """Everything known by this instant has been given out."""
        return min(self._respond.now_us, self._plan.now_us)

    def step(self, messages: Sequence[Message], clock_us: int) -> list[Message]:
        """Everything written because of ``messages``, and because it is ``clock_us`` by now.

        messages: all that was stamped before ``clock_us`` and not given before, each partition's in
        order. Nothing stamped earlier may follow.
        """
        found = self._ingested(messages, clock_us)
        for shard, watch in enumerate(self._shards):
            partials = [one for one in found if one.topic == "partials" and one.partition == shard]
            found += self._written(watch.step(partials), clock_us)
        seen = [*messages, *found]
        incidents = self._written(self._respond.step(seen, clock_us), clock_us)
        decisions = self._written(self._plan.step([*seen, *incidents], clock_us), clock_us)
        return [*found, *incidents, *decisions]

    def _ingested(self, messages: Iterable[Message], clock_us: int) -> list[Message]:
        by_source: defaultdict[Source, list[Message]] = defaultdict(list)
        for message in messages:
            if message.topic == SCHEMAS:
                self._learn(Told.of(message))
            if message.topic in self._inputs:
                by_source[message.topic, message.partition].append(message)
        for source in by_source.keys() - self._sources.keys():
            self._expect(source)
        out: list[Out] = []
        for key in sorted(self._sources):
            out += self._sources[key].step(by_source[key], clock_us)
        return self._written(out, clock_us)

    def _learn(self, told: Told) -> None:
        self._schemas.append(told)
        for source in self._sources.values():
            source.learn(told)

    def _expect(self, source: Source) -> None:
        """Also in this very step, windows wait for it."""
        self._sources[source] = new = _Source(*source, self._stream)
        for told in self._schemas:
            new.learn(told)
        for watch in self._shards:
            watch.merge.expect(source)

    def _written(self, out: Iterable[Out], clock_us: int) -> list[Message]:
        return [self._message(each, clock_us) for each in out]

    def _message(self, out: Out, clock_us: int) -> Message:
        place = (out.topic, out.partition or 0)
        offset = self._counts[place]
        self._counts[place] += 1
        return Message(*place, offset, clock_us, out.key.encode(), out.payload)


class _Source:
    """INGEST on one partition that ends at the clock."""

    def __init__(self, topic: str, partition: int, settings: StreamSettings) -> None:
        self._topic = topic
        self._partition = partition
        self._next = 0
        self._ingest = Ingest(topic, partition, settings)

    def learn(self, told: Told) -> None:
        decoder = self._ingest.decoder
        if isinstance(decoder, MapDecoder) and isinstance(decoder.format, Registered):
            decoder.format.learn(told.number, told.schema)

    def step(self, messages: Sequence[Message], clock_us: int) -> list[Out]:
        if not messages:
            return self._ingest.idle(self._next, clock_us)
        start, self._next = self._next, messages[-1].offset + 1
        batch = RecordBatch(self._topic, self._partition, start, self._next, messages)
        return self._ingest.step(batch)


class _Ticked:
    """A ticked stage whose inputs are the chain's own messages."""

    def __init__(self, thinker: Thinker, settings: StreamSettings) -> None:
        self._thinker = thinker
        self._inputs = Inputs(
            thinker.inputs,
            settings.topics.shards,
            interval_us=intervals_us(settings.windows),
            stall_us=None,  # Here nobody waits for anything.
            held_us=held_us(settings.windows),
        )

    @property
    def now_us(self) -> int:
        return self._inputs.now_us

    def step(self, messages: Iterable[Message], clock_us: int) -> list[Out]:
        for message in messages:
            if message.topic in self._inputs.topics:
                self._inputs.add(message, clock_us)
        out: list[Out] = []
        while ticks := self._inputs.due(clock_us):
            for tick in ticks:
                out += self._thinker.step(tick).out
        self._inputs.progress()  # It forgets what lies behind.
        return out
