"""Everything that leaves the stages, read back from the topics: what `up` shows and reports."""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from streams.batch import Message
from streams.clock import SECOND_US, Clock
from streams.codec import decode_block, decode_record
from streams.errors import CorruptMessageError
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Alert, Incident
from streams.schemas.scaling import Decision, PoolStatus, ReplicaStatus
from streams.schemas.system import DeadLetter, Quality
from streams.schemas.telemetry import Change

TOPICS: Final = (
    "windows", "anomalies", "incidents", "decisions", "alerts", "pools", "changes",
    "dead-letters", "quality",
)  # fmt: skip
MAX_KEPT: Final = 20_000
_ANOMALIES: Final = msgspec.json.Decoder(list[Anomaly])


@dataclass(slots=True)
class Observed:
    """Newest record of each id, bounded histories, and counts."""

    records: Counter[str] = field(default_factory=Counter)
    """Messages per topic."""
    window_rows: Counter[str] = field(default_factory=Counter)
    """Rows of final windows per series kind; `provisional` apart."""
    raw: Counter[str] = field(default_factory=Counter)
    """Sums of the quality records: records, accepted, late, dead, ..."""
    watermark_us: dict[int, int] = field(default_factory=dict)
    anomalies: dict[str, Anomaly] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    replicas: dict[str, ReplicaStatus] = field(default_factory=dict)
    pools: dict[str, PoolStatus] = field(default_factory=dict)
    decisions: deque[Decision] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    dead: deque[DeadLetter] = field(default_factory=lambda: deque(maxlen=200))
    sizes: list[tuple[int, str, int, int, int]] = field(default_factory=list)
    """(at_us, pool, desired, ready, starting), one for each change."""
    corrupt: int = 0

    @property
    def events_through_us(self) -> int:
        """Final watermark of the slowest shard, 0 before there is one."""
        return min(self.watermark_us.values(), default=0)


class Observer:
    """Feeds messages into ``Observed`` and calls whoever wants to hear of news."""

    def __init__(self, clock: Clock) -> None:
        self.seen = Observed()
        self._clock = clock
        self.on_incident: Callable[[Incident, int], None] = lambda *_: None
        self.on_change: Callable[[Change, int], None] = lambda *_: None

    def feed(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.seen.records[message.topic] += 1
            if message.value is None:
                continue
            try:
                self._take(message, message.value)
            except (CorruptMessageError, msgspec.MsgspecError):
                self.seen.corrupt += 1

    def _take(self, message: Message, value: bytes) -> None:
        seen = self.seen
        match message.topic:
            case "windows" | "anomalies":
                self._block(message.topic, value)
            case "incidents":
                incident = decode_record(value, Incident)
                seen.incidents[incident.id] = incident
                self.on_incident(incident, self._clock())
            case "decisions":
                seen.decisions.append(decode_record(value, Decision))
            case "alerts":
                alert = decode_record(value, Alert)
                seen.alerts[alert.id] = alert
            case "pools":
                self._pool(message.key, value)
            case "changes":
                change = decode_record(value, Change)
                seen.changes.append(change)
                self.on_change(change, self._clock())
            case "dead-letters":
                seen.dead.append(decode_record(value, DeadLetter))
            case "quality":
                self._quality(decode_record(value, Quality))

    def _block(self, topic: str, value: bytes) -> None:
        seen, block = self.seen, decode_block(value)
        header = block.header
        if topic == "anomalies":
            if block.payload:
                seen.anomalies |= {a.id: a for a in _ANOMALIES.decode(block.payload)}
            return
        rows = next((count for _, _, count in header.columns), 0)
        kind = "provisional" if header.provisional else header.series_kind
        if rows:
            seen.window_rows[kind] += rows
        if not header.provisional and not header.source:
            before = seen.watermark_us.get(header.shard, 0)
            seen.watermark_us[header.shard] = max(before, header.watermark_us)

    def _pool(self, key: bytes | None, value: bytes) -> None:
        name = (key or b"").decode()
        if name.count("/") > 1:
            self.seen.replicas[name] = decode_record(value, ReplicaStatus)
            return
        pool = decode_record(value, PoolStatus)
        before = self.seen.pools.get(name)
        sizes = (pool.desired, pool.ready, pool.starting)
        if before is None or (before.desired, before.ready, before.starting) != sizes:
            self.seen.sizes.append((pool.at_us, pool.pool, *sizes))
        self.seen.pools[name] = pool

    def _quality(self, quality: Quality) -> None:
        self.seen.raw.update(
            {
                name: getattr(quality, name)
                for name in (
                    "records", "accepted", "late", "far_future", "dead", "duplicate_frames",
                )
            }
        )  # fmt: skip


def seconds(at_us: int | None, start_us: int) -> float | None:
    """Seconds since the start of a run, for people."""
    return None if at_us is None else round((at_us - start_us) / SECOND_US, 2)


def as_json(record: msgspec.Struct) -> Any:
    return msgspec.to_builtins(record)
