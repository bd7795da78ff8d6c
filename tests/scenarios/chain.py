"""Seconds of a simulation through the real pure chain, that of `tidegate replay`."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from detectors.settings import DetectionSettings
from detectors.watch import Watch
from streams.batch import Message
from streams.codec import decode_block, decode_record, encode_record
from streams.inputs import INPUTS
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Incident
from streams.settings import StreamSettings, TopicSettings, WindowSettings
from streams.stage import Out
from tests.scenarios.pool_simulation import Second
from tidegate.replay import chain as pure
from tidegate.settings import Settings

SOURCES = [(topic, 0) for topic in INPUTS]
LATENESS_S = 1.0
STAMPED_US = 300_000
"""Records are in the log so long after the second they speak of."""
HOPS_US = 900_000
"""From the log through the stages to who reads incidents."""


def settings_of(shards: int = 1) -> Settings:
    topics = TopicSettings(shards=shards, raw_partitions=1)
    windows = WindowSettings(lateness_s=LATENESS_S)
    return Settings(stream=StreamSettings(topics=topics, windows=windows))


def new_watch(
    settings: DetectionSettings | None = None, windows: WindowSettings | None = None
) -> Watch:
    return Watch(
        0,
        settings or DetectionSettings(),
        windows or settings_of().stream.windows,
        SOURCES,
    )


class Chain:
    """The chain fed a second at a time.

    ``log`` keeps the messages of `partials`, ``told`` what WATCH wrote; ``said`` and ``incidents``
    the newest record of each anomaly and incident; ``seen_us`` when an incident was first said to
    be of a subject.
    """

    def __init__(self, *, shards: int = 1) -> None:
        self.log: list[Message] = []
        self.told: list[Message] = []
        self.said: dict[str, Anomaly] = {}
        self.incidents: dict[str, Incident] = {}
        self.seen_us: dict[tuple[str, str], int] = {}
        self._chain = pure.Chain(settings_of(shards), SOURCES)
        self._offsets: defaultdict[str, int] = defaultdict(int)

    def step(self, second: Second, end_us: int) -> None:
        stamp_us = end_us + STAMPED_US
        came = [
            message
            for topic in INPUTS
            for message in self._messages(topic, getattr(second, topic), stamp_us)
        ]
        for message in self._chain.step(came, stamp_us + 1):
            self._hear(message, stamp_us + HOPS_US)

    def found(self) -> list[tuple[str, str, str]]:
        """(feature, who, direction) of every anomaly, in the order they were heard of."""
        return [(one.feature, who(one), one.direction) for one in self.said.values()]

    def _hear(self, message: Message, clock_us: int) -> None:
        match message.topic:
            case "partials":
                self.log.append(message)
            case "windows" | "anomalies":
                self.told.append(message)
                self.said |= {one.id: one for one in anomalies_of(message)}
            case "incidents":
                incident = decode_record(message.value or b"", Incident)
                self.incidents[incident.id] = incident
                self.seen_us.setdefault((incident.id, incident.subject.name), clock_us)
            case _:
                pass

    def _messages(
        self, topic: str, records: Sequence[msgspec.Struct], stamp_us: int
    ) -> list[Message]:
        start = self._offsets[topic]
        self._offsets[topic] += len(records)
        return [
            Message(topic, 0, offset, stamp_us, b"", encode_record(record))
            for offset, record in enumerate(records, start)
        ]


def anomalies_of(told: Out | Message) -> list[Anomaly]:
    if told.topic != "anomalies" or not isinstance(told.value, bytes):
        return []
    payload = decode_block(told.value).payload
    return msgspec.json.decode(payload, type=list[Anomaly]) if payload else []


def contents(told: Sequence[Out | Message]) -> list[tuple[str, object]]:
    """What is said, without where it lies."""
    return [(one.topic, one.value) for one in told]


def who(anomaly: Anomaly) -> str:
    labels = anomaly.labels
    return labels.get("replica") or labels.get("tenant") or labels.get("pool") or labels["gpu_uuid"]
