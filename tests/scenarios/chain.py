"""Seconds of a simulation through the real pure chain: deltas, merge, detectors, blocks."""

from collections.abc import Sequence

import msgspec

from detectors.settings import DetectionSettings
from detectors.watch import Watch
from streams.batch import Message
from streams.codec import BlockHeader, decode_block
from streams.partials import Controls, Deltas, Partials
from streams.schemas.anomalies import Anomaly
from streams.settings import WindowSettings
from streams.stage import Out
from tests.scenarios.pool_simulation import SECOND_US, Second

SOURCES = ("requests", "engine", "gpu", "changes")
LATENESS_S = 1.0
BEHIND_US = 200_000
"""Records are in the log so long after the second they speak of."""


def new_watch(settings: DetectionSettings | None = None) -> Watch:
    return Watch(
        0,
        settings or DetectionSettings(),
        WindowSettings(lateness_s=LATENESS_S),
        [(source, 0) for source in SOURCES],
    )


class Chain:
    """INGEST's sums and one shard's ``Watch``, fed a second at a time.

    ``log`` keeps the messages of `partials`, ``said`` the newest record of each anomaly,
    ``first_said_us`` the log time at which it was first heard of.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self.watch = watch or new_watch()
        self.log: list[Message] = []
        self.out: list[Out] = []
        self.said: dict[str, Anomaly] = {}
        self.first_said_us: dict[str, int] = {}
        self._offsets = dict.fromkeys(SOURCES, 0)
        self._makers: dict[str, Partials] = {
            "requests": _deltas("request", 1),
            "engine": _deltas("engine", 1),
            "gpu": _deltas("gpu", 10),
            "changes": Controls(shards=1, block_bytes=900_000),
        }

    def step(self, second: Second, end_us: int) -> None:
        append_us = end_us + BEHIND_US
        messages = [
            *self._blocks("changes", second.changes, append_us),
            *self._blocks("requests", second.requests, append_us),
            *self._blocks("engine", second.engine, append_us),
            *self._blocks("gpu", second.gpu, append_us),
        ]
        self.log.extend(messages)
        for out in self.watch.step(messages):
            self.out.append(out)
            for anomaly in anomalies_of(out):
                self.said[anomaly.id] = anomaly
                self.first_said_us.setdefault(anomaly.id, append_us)

    def found(self) -> list[tuple[str, str, str]]:
        """(feature, who, direction) of every anomaly, in the order they were heard of."""
        return [(one.feature, who(one), one.direction) for one in self.said.values()]

    def _blocks(
        self, source: str, records: Sequence[msgspec.Struct], append_us: int
    ) -> list[Message]:
        start = self._offsets[source]
        self._offsets[source] = start + len(records)
        header = BlockHeader(
            kind="delta",
            shard=0,
            source=source,
            from_offset=start,
            next_offset=start + len(records),
            watermark_us=append_us - round(LATENESS_S * SECOND_US),
        )
        made = self._makers[source].make(records, header)
        assert not made.rejects
        return [self._message(block, append_us, n) for n, block in enumerate(made.blocks[0])]

    def _message(self, block: bytes, append_us: int, number: int) -> Message:
        return Message("partials", 0, len(self.log) + number, append_us, b"0", block)


def anomalies_of(out: Out) -> list[Anomaly]:
    if out.topic != "anomalies" or not isinstance(out.value, bytes):
        return []
    payload = decode_block(out.value).payload
    return msgspec.json.decode(payload, type=list[Anomaly]) if payload else []


def who(anomaly: Anomaly) -> str:
    labels = anomaly.labels
    return labels.get("replica") or labels.get("tenant") or labels.get("pool") or labels["gpu_uuid"]


def _deltas(kind: str, interval_s: int) -> Deltas:
    return Deltas(kind, interval_us=interval_s * SECOND_US, shards=1, block_bytes=900_000)
