"""Messages of the result topics in, bounded tables of their newest records out."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from autoscaler.api.latest import Latest
from autoscaler.api.series_store import SeriesStore
from autoscaler.api.windows_feed import WindowsFeed
from streams.codec import decode_block, decode_frame, decode_record, is_frame
from streams.conduct import Conduct
from streams.errors import CorruptMessageError
from streams.schemas.anomalies import Anomaly
from streams.schemas.comparison import Comparison
from streams.schemas.incidents import Alert, Command, Feedback, Incident, Rule
from streams.schemas.scaling import Decision, PoolStatus, ReplicaStatus
from streams.schemas.system import Quality
from streams.schemas.telemetry import Change

MAX_DECISIONS_PER_POOL: Final = 900
STAGES: Final = ("ingest", "watch", "plan", "drive")
"""Those whose progress shows in what they write."""

PoolKey = tuple[str, str]
"""(cluster, pool)"""
R = TypeVar("R", Alert, Comparison, Incident, Rule)


class Received(Protocol):
    """The part of ``streams.batched.Message`` that the view needs."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Intake:
    """The newest wins; when a table is full, the longest unchanged record is dropped.

    shards: how many shards WATCH has, so that one never heard of is missed.
    stages: those that are expected.
    """

    def __init__(self, *, shards: int, stages: Sequence[str] = STAGES) -> None:
        self.corrupt = 0
        """Messages that could not be read and were left out."""
        self.store = SeriesStore()
        self._feed = WindowsFeed(self.store)
        self.pools: Latest[PoolKey, PoolStatus] = Latest(200)
        self.replicas: Latest[tuple[str, str, str], ReplicaStatus] = Latest(5_000)
        self.decisions: Latest[PoolKey, deque[Decision]] = Latest(200)
        self.missed: dict[PoolKey, tuple[int, int]] = {}
        self.incidents: Latest[str, Incident] = Latest(
            1_000, spare=lambda incident: incident.state == "open"
        )
        self.comparisons: Latest[str, Comparison] = Latest(2_000)
        self.newest_day: dict[PoolKey, Comparison] = {}
        self.alerts: Latest[str, Alert] = Latest(1_000)
        self.rules: Latest[str, Rule] = Latest(1_000, spare=lambda rule: not rule.ended)
        self.anomalies: Latest[str, Anomaly] = Latest(
            2_000, spare=lambda anomaly: anomaly.ended_at_us is None
        )
        self.asked: Latest[str, Command | Feedback] = Latest(10_000)
        self.changes: Latest[str, Change] = Latest(500)
        self.replica_changes: Latest[str, Change] = Latest(5_000)
        """The newest of each replica, by ``cluster/pool/replica``."""
        self.quality: Latest[tuple[str, str, int], Quality] = Latest(500)
        self.conduct = Conduct()
        self.newest_us: dict[tuple[str, int | None], int | None] = {
            (stage, shard): None
            for stage in stages
            for shard in (range(shards) if stage == "watch" else (None,))
        }

    def feed(self, messages: Iterable[Received]) -> None:
        """Take in messages of any of ``VIEW_TOPICS``, in the order of each partition."""
        for message in messages:
            try:
                self._take(message)
            except CorruptMessageError:
                self.corrupt += 1

    def _take_quality(self, quality: Quality) -> None:
        self.conduct.take(quality)
        if (
            quality.shard is None and quality.origins is None
        ):  # a shard's WATCH says nothing of what was sent
            self.quality.put((quality.site, quality.source, quality.partition), quality)
            if not quality.site:
                self._progress("ingest", None, quality.at_us)

    def _take(self, message: Received) -> None:
        key = (message.key or b"").decode(errors="replace")
        match message.topic:
            case "windows":
                self._take_windows(message.value)
            case "anomalies":
                self._take_anomalies(message.value)
            case "pools":
                self._take_pools(key, message.value)
            case "decisions":
                self._take_decision(message.value)
            case "quality" if message.value:
                self._take_quality(decode_record(message.value, Quality))
            case "incidents":
                _newest(self.incidents, key, message.value, Incident)
            case "alerts" | "rules" | "comparisons":
                self._take_newest(message.topic, key, message.value)
            case "changes":
                self._take_changes(message.value)
            case "commands" | "feedback" if message.value:
                self._take_asked(message.topic, message.value)
            case _:
                pass

    def _take_windows(self, value: bytes | None) -> None:
        if value is None:
            return
        block = decode_block(value)
        if not block.header.source:
            self._progress("watch", block.header.shard, block.header.watermark_us)
        if block.header.columns:
            self._feed.take(block)

    def _take_anomalies(self, value: bytes | None) -> None:
        if value is None:
            return
        block = decode_block(value)
        if not block.payload:
            return
        try:
            anomalies = msgspec.json.decode(block.payload, type=list[Anomaly])
        except msgspec.MsgspecError as exc:
            raise CorruptMessageError(f"anomalies: {exc}") from exc
        for anomaly in anomalies:
            self.anomalies.put(anomaly.id, anomaly)

    def _take_changes(self, value: bytes | None) -> None:
        if value is None:
            return
        for line in decode_frame(value)[1] if is_frame(value) else [value]:
            change = decode_record(line, Change)
            self.changes.put(change.id, change)
            if change.kind.startswith("replica_"):
                replica = f"{change.cluster}/{change.pool}/{change.replica}"
                before = self.replica_changes.get(replica)
                if before is None or before.at_us <= change.at_us:  # partitions come in any order
                    self.replica_changes.put(replica, change)

    def _take_pools(self, key: str, value: bytes | None) -> None:
        parts = key.split("/")
        if value is None:
            if len(parts) == 3:
                self.replicas.drop((parts[0], parts[1], parts[2]))
            elif len(parts) == 2:
                self.pools.drop((parts[0], parts[1]))
        elif len(parts) == 3:
            replica = decode_record(value, ReplicaStatus)
            self.replicas.put((replica.cluster, replica.pool, replica.replica), replica)
        else:
            status = decode_record(value, PoolStatus)
            self.pools.put((status.cluster, status.pool), status)
            self._progress("drive", None, status.at_us)

    def _take_decision(self, value: bytes | None) -> None:
        if value is None:
            return
        decision = decode_record(value, Decision)
        pool = (decision.cluster, decision.pool)
        history = self.decisions.get(pool) or deque(maxlen=MAX_DECISIONS_PER_POOL)
        if history and history[-1].at_us >= decision.at_us:
            return  # delivered again
        history.append(decision)
        self.decisions.put(pool, history)
        ours, reactive = self.missed.get(pool, (0, 0))
        self.missed[pool] = (ours + decision.missed, reactive + decision.reactive_missed)
        self._progress("plan", None, decision.at_us)

    def _take_newest(self, topic: str, key: str, value: bytes | None) -> None:
        if topic == "rules":
            _newest(self.rules, key, value, Rule)
            return
        if topic == "alerts":
            _newest(self.alerts, key, value, Alert)
            return
        _newest(self.comparisons, key, value, Comparison)
        if (day := self.comparisons.get(key)) is not None:
            self.newest_day[day.cluster, day.pool] = day

    def _take_asked(self, topic: str, value: bytes) -> None:
        record: Command | Feedback
        if topic == "commands":
            record = decode_record(value, Command)
        else:
            record = decode_record(value, Feedback)
        # The first under a key counts, whatever another API let through beside it.
        if record.fingerprint and self.asked.get(record.id) is None:
            self.asked.put(record.id, record)

    def _progress(self, stage: str, shard: int | None, at_us: int) -> None:
        if shard is None and (stage, None) not in self.newest_us:
            return  # what looks like its word is only for the page
        if at_us <= 0:
            return  # a shard that has not heard all its sources yet
        self.newest_us[stage, shard] = max(at_us, self.newest_us.get((stage, shard)) or 0)


def _newest(table: Latest[str, R], key: str, value: bytes | None, kind: type[R]) -> None:
    if value is None:
        table.drop(key)
    else:
        record = decode_record(value, kind)
        table.put(record.id, record)
