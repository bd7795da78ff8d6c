"""What came out of a world in the end, and what must hold of it at any time."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from streams.codec import Block, decode_block, decode_frame, decode_record, is_frame
from streams.decode import json_lines
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Incident
from streams.schemas.system import Quality, SourceMark
from streams.windows.blocks import decode_table
from streams.windows.progress import Counts
from tests.model.broker import Source
from tests.model.owner import LogOwner
from tests.model.stages import WatchModel
from tests.model.world import SHARDS, WRITTEN, World
from tests.streams.samples import rows

Rows = dict[tuple[str, int, str], dict[str, Any]]


class BrokenRuleError(AssertionError):
    """Something that must always hold does not."""


@dataclass(frozen=True, slots=True)
class Found:
    """All that is final: every number of every window, every word on anomalies and incidents."""

    windows: Rows
    anomalies: dict[str, list[Anomaly]]
    incidents: dict[str, list[Incident]]


def found(world: World) -> Found:
    """Raises BrokenRuleError if a final window came out twice."""
    anomalies: dict[str, list[Anomaly]] = defaultdict(list)
    incidents: dict[str, list[Incident]] = defaultdict(list)
    windows: Rows = {}
    for shard in range(SHARDS):
        for block in final(world, ("windows", shard)):
            if block.columns:
                for key, row in rows([decode_table(block)]).items():
                    if key in windows:
                        raise BrokenRuleError(f"final twice: {key}")
                    windows[key] = row
        for block in final(world, ("anomalies", shard)):
            for anomaly in msgspec.json.decode(block.payload or b"[]", type=list[Anomaly]):
                anomalies[anomaly.id].append(anomaly)
    for value in values(world, ("incidents", 0)):
        incident = decode_record(value, Incident)
        incidents[incident.id].append(incident)
    return Found(windows, dict(anomalies), dict(incidents))


def final(world: World, source: Source) -> Iterator[Block]:
    blocks = map(decode_block, values(world, source))
    return (block for block in blocks if not block.header.provisional)


def values(world: World, source: Source) -> Iterator[bytes]:
    log = world.broker.logs[source]
    return (m.value for m in log.read(0, log.end).messages if m.value is not None)


def check_watermarks(world: World) -> None:
    """Raises BrokenRuleError if a reader could have seen one go back."""
    for shard in range(SHARDS):
        for topic in ("windows", "anomalies"):
            marks = [block.header.watermark_us for block in final(world, (topic, shard))]
            if marks != sorted(marks):
                raise BrokenRuleError(f"watermark of {topic}/{shard} goes back")


def check_counts(world: World) -> None:
    """No block was lost or repeated, nothing came after the close; raises BrokenRuleError."""
    for counts in _counts(world):
        fine = Counts(
            blocks=counts.blocks,
            folded_series=counts.folded_series,
            provisional_windows=counts.provisional_windows,
        )
        if counts != fine:
            raise BrokenRuleError(str(counts))


def _counts(world: World) -> Iterator[Counts]:
    for process in world.processes.values():
        for owner in process.owners.values():
            if isinstance(owner, LogOwner) and isinstance(owner.handler, WatchModel):
                yield owner.handler.watch.merge.counts


def check_balance(world: World, windows: Rows) -> None:
    """Records in = records in windows + late + dead letters, source topic by source topic."""
    kinds = {"requests": "request", "engine": "engine", "gpu": "gpu"}
    told = _told(world)
    for topic, kind in kinds.items():
        inside = sum(_records(row) for key, row in windows.items() if key[0] == kind)
        accepted = sum(q.accepted for q in told if q.source == topic)
        if inside != accepted:
            raise BrokenRuleError(f"{topic}: {accepted} accepted, {inside} in windows")
    came = _came(world)
    for topic, count in came.items():
        mine = [q for q in told if q.source == topic]
        counted = sum(q.accepted + q.late + q.far_future + q.dead for q in mine)
        if counted != count:
            raise BrokenRuleError(f"{topic}: {count} records came, {counted} are accounted for")
    dead = sum(q.far_future + q.dead for q in told)
    letters = sum(1 for _ in values(world, ("dead-letters", 0)))
    if dead != letters:
        raise BrokenRuleError(f"{dead} dead, {letters} letters")


_ONE_EACH = (
    "arrived",
    "finished",
    "failed",
    "rejected",
    "cancelled",
    "queued.n",
    "up.n",
    "temperature_c.n",
)


def _records(row: dict[str, Any]) -> int:
    """Every record of the model's traffic shows in just one of these columns."""
    return sum(row.get(name, 0) for name in _ONE_EACH)


def _told(world: World) -> list[Quality]:
    told = [decode_record(value, Quality) for value in values(world, ("quality", 0))]
    for partition in range(WRITTEN["state.ingest"]):
        for message in world.broker.newest(("state.ingest", partition)):
            if message.value is not None and (message.key or b"").count(b"/") == 1:
                pending = decode_record(message.value, SourceMark).quality
                told += [pending] if pending else []
    return told


def _came(world: World) -> Counter[str]:
    """Records in the raw log, those of repeated frames once."""
    came: Counter[str] = Counter()
    seen: set[tuple[Source, str, int]] = set()
    for raw in world.raw:
        topic = raw.source[0]
        if topic not in {"requests", "engine", "gpu", "changes"} or raw.what != "record":
            continue
        value = raw.value or b""
        if not is_frame(value):
            lines = json_lines(value)
            came[topic] += 1 if lines is None else len(lines)
            continue
        header, lines = decode_frame(value)
        key = (raw.source, header.producer, header.sequence)
        if key not in seen:
            seen.add(key)
            came[topic] += len(lines)
    return came
