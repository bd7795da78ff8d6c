"""Records in as they come, what the stages make of them out: the chain of `replay`, live."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from streams.batch import Message
from streams.codec import encode_record
from streams.schemas.telemetry import Change, EngineSample, GpuSample, RequestEvent
from streams.sinks.embedded import EmbeddedSink
from streams.sinks.stage import SINK_TOPICS, message_points
from streams.sources.loads import EngineLoads
from tidegate.replay.chain import Chain
from tidegate.settings import Settings
from tidegate.watch.detection import FIRST_LOOK
from tidegate.watch.feed import Feed

_TOPICS: Final = {
    EngineSample: "engine",
    GpuSample: "gpu",
    RequestEvent: "requests",
    Change: "changes",
}
Stamped = EngineSample | GpuSample | RequestEvent | Change


def settings_for(settings: Settings, feed: Feed) -> Settings:
    """One shard, windows as long as the data's own steps, detectors for engines on their own."""
    stream, interval_s = settings.stream, feed.interval_s
    windows = stream.windows.model_copy(
        update={
            "interval_s": interval_s,
            "gpu_interval_s": max(stream.windows.gpu_interval_s, interval_s),
            "lateness_s": feed.lateness_s,
            "stall_s": feed.lateness_s + 2.0 * interval_s,
        }
    )
    topics = stream.topics.model_copy(update={"shards": 1, "raw_partitions": 1})
    detection = settings.detection
    quiet_s = 2.5 * interval_s  # A window without a hit, and the next is not there yet.
    detection = detection.model_copy(
        update={
            "detectors": detection.detectors or FIRST_LOOK,
            "anomaly_ends_after_s": max(detection.anomaly_ends_after_s, quiet_s),
            "incident_resolves_after_s": max(detection.incident_resolves_after_s, quiet_s),
        }
    )
    stream = stream.model_copy(update={"windows": windows, "topics": topics})
    return settings.model_copy(update={"stream": stream, "detection": detection})


class Live:
    """Stamps records with their own instant, unless the chain's clock has passed it already."""

    def __init__(self, settings: Settings) -> None:
        self._chain = Chain(settings, [(topic, 0) for topic in _TOPICS.values()])
        self._loads = EngineLoads()
        self._held: list[Message] = []
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._clock_us = self._first_us = 0

    @property
    def known_us(self) -> int:
        """From the first record to now."""
        return self._clock_us - self._first_us if self._first_us else 0

    def take(self, records: Iterable[msgspec.Struct]) -> None:
        """Those of a kind in the order of their time; what changed shows in those of engines."""
        for each in records:
            for record in self._loads.with_changes(each):
                self._hold(record)

    def _hold(self, record: msgspec.Struct) -> None:
        assert isinstance(record, Stamped)  # noqa: S101
        topic = _TOPICS[type(record)]
        stamp_us = max(record.at_us, self._clock_us)
        self._first_us = self._first_us or stamp_us
        offset = self._counts[topic]
        self._counts[topic] += 1
        self._held.append(Message(topic, 0, offset, stamp_us, b"", encode_record(record)))

    def until(self, clock_us: int) -> list[Message]:
        """Everything that is written because it is ``clock_us`` by now."""
        clock_us = max(clock_us, self._clock_us)
        due = [one for one in self._held if one.timestamp_us < clock_us]
        self._held = [one for one in self._held if one.timestamp_us >= clock_us]
        self._clock_us = clock_us
        return self._chain.step(due, clock_us)

    def through(self) -> list[Message]:
        """Up to and with everything taken so far: a past is as good as over when it is known."""
        newest_us = max((one.timestamp_us for one in self._held), default=self._clock_us - 1)
        told = self.until(newest_us + 1)
        # With nothing more to read, a source whose last record is older holds up no window.
        return [*told, *self.until(newest_us + 1)]


class Store:
    """Windows, anomalies and incidents in one SQLite file."""

    def __init__(self, path: Path, settings: Settings) -> None:
        sinks = settings.stream.sinks
        self._sink = EmbeddedSink(
            path, retention_s=sinks.embedded_retention_s, max_bytes=sinks.embedded_max_bytes
        )

    def keep(self, messages: Sequence[Message]) -> None:
        """Written at once; raises SinkUnavailableError where that is not possible."""
        points = [
            point
            for message in messages
            if message.topic in SINK_TOPICS
            for point in message_points(message)
        ]
        if points:
            self._sink.write(points)

    def close(self) -> None:
        self._sink.close()
