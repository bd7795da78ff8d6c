"""One shard's log of partials in, windows and anomalies out: a machine without clock or I/O."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal, get_args

import msgspec

from detectors.chosen import chosen
from detectors.grace import Grace, GraceState
from detectors.panel import Panel, PanelState
from detectors.settings import DetectionSettings
from streams.batch import Message
from streams.codec import Block, BlockHeader, decode_block, encode_block
from streams.dead_letters import dead_letter
from streams.errors import CorruptMessageError
from streams.schemas.anomalies import Anomaly, SeriesKind
from streams.schemas.system import Quality
from streams.schemas.telemetry import Change
from streams.settings import WindowSettings
from streams.stage import Out
from streams.windows.blocks import decode_table, encode_table
from streams.windows.check import Reject
from streams.windows.merge import Closed, Limits, MergeState, ShardMerge
from streams.windows.progress import Source
from streams.windows.rows import empty_table
from streams.windows.table import Table

SECOND_US: Final = 1_000_000
KINDS: Final[tuple[SeriesKind, ...]] = get_args(SeriesKind)
EMPTY_WINDOWS: Final = 600
"""Windows without any record that detectors step through after one with records; then they rest.

Counted from the records, not back from the watermark: how far that goes at once must not matter.
"""
ANOMALIES_PER_BLOCK: Final = 250


@dataclass(slots=True, kw_only=True)
class WatchState:
    """Everything a snapshot has to keep."""

    merge: MergeState
    grace: GraceState
    panels: dict[SeriesKind, PanelState]
    next_us: dict[SeriesKind, int]
    rest_us: dict[SeriesKind, int]
    told_us: int
    clock_us: int
    schema: Literal[1] = 1


class Watch:
    """Everything WATCH does on one shard; the same log gives the same bytes.

    Its clock is the append time of `partials`. Changes come as control blocks in the same log, word
    of a new or given-up source as blocks that name it. A
    message that cannot be read becomes a dead letter; nothing it says is acted on.

    sources: the raw (topic, partition) pairs whose watermarks a window waits for.
    block_bytes: size at which a block of windows is cut into parts.
    """

    def __init__(
        self,
        shard: int,
        settings: DetectionSettings,
        windows: WindowSettings,
        sources: Collection[Source],
        *,
        block_bytes: int = 900_000,
    ) -> None:
        self.shard = shard
        self._interval_us = {
            str(kind): (windows.gpu_interval_s if kind == "gpu" else windows.interval_s) * SECOND_US
            for kind in KINDS
        }
        self._stall_us = round(windows.stall_s * SECOND_US)
        self._block_bytes = block_bytes
        self.merge = ShardMerge(
            shard,
            sources,
            self._interval_us,
            windows.max_series,
            limits=_limits(windows),
            max_hold_us=round(windows.max_hold_s * SECOND_US),
        )
        self.grace = Grace(grace_us=round(settings.grace_after_change_s * SECOND_US))
        judged = settings.model_copy(update={"detectors": chosen(settings)})
        self.panels = {
            kind: Panel(kind, judged, interval_us=self._interval_us[kind]) for kind in KINDS
        }
        self._next_us: dict[SeriesKind, int] = {}
        """Start of the next window that a kind's detectors step through."""
        self._rest_us: dict[SeriesKind, int] = {}
        """Where they rest if no records come before."""
        self._told_us = 0
        """Final watermark of the last block written."""
        self._clock_us = 0

    @property
    def state(self) -> WatchState:
        """As it is now, not a copy: pack it before the next step."""
        return WatchState(
            merge=self.merge.state,
            grace=self.grace.state,
            panels={kind: panel.state for kind, panel in self.panels.items()},
            next_us=self._next_us,
            rest_us=self._rest_us,
            told_us=self._told_us,
            clock_us=self._clock_us,
        )

    @state.setter
    def state(self, state: WatchState) -> None:
        """Of a machine with the same settings (``meaning_of``)."""
        self.merge.state, self.grace.state = state.merge, state.grace
        for kind, panel in self.panels.items():
            panel.state = state.panels[kind]
        self._next_us, self._rest_us = state.next_us, state.rest_us
        self._told_us, self._clock_us = state.told_us, state.clock_us

    def step(self, messages: Iterable[Message]) -> list[Out]:
        """What the next messages of the log bring about, in order."""
        return [out for message in messages for out in self._take(message)]

    def flowing_ratio(self) -> float:
        """Share of sources that are not stalled, as of the last message."""
        return self.merge.flowing_ratio(self._clock_us, self._stall_us)

    def _take(self, message: Message) -> Iterator[Out]:
        self._clock_us = max(self._clock_us, message.timestamp_us)
        try:
            block = decode_block(message.value or b"")
            closed = self._understood(block, message.timestamp_us)
        except CorruptMessageError as exc:
            reject = Reject("corrupt_frame", str(exc))
            yield dead_letter(message, 0, message.value or b"", reject)
            return
        yield from self._results(closed, message.offset + 1)
        yield from self._of_sources(block.header, closed, message.timestamp_us)
        for held in self.merge.provisional(message.timestamp_us, self._stall_us):
            header = self._header(held.table.kind, self._told_us)
            yield from self._encoded(
                held.table, header.but(provisional=True, coverage=held.coverage)
            )

    def _understood(self, block: Block, append_us: int) -> Closed:
        header = block.header
        match header.kind:
            case "delta":
                table = decode_table(block) if block.columns else None
                return self.merge.add(header, table, append_us)
            case "control":
                changes = _changes(block.payload)
                closed = self.merge.add(header, None, append_us)
                for change in changes if closed.fresh else ():
                    self.grace.wait(change, header.watermark_us)
                return closed
            case "expect":
                return self.merge.expect((header.source, header.partition))
            case "give_up":
                return self.merge.give_up((header.source, header.partition))
            case other:
                raise CorruptMessageError(
                    f"block kind must be delta, control, expect or give_up, got {other!r}"
                )

    def _results(self, closed: Closed, next_offset: int) -> Iterator[Out]:
        anomalies = list(self._detected(closed))
        before_us, now_us = self._told_us, closed.watermark_us
        told = now_us // SECOND_US > before_us // SECOND_US
        if not (told or closed.tables or anomalies):
            return
        self._told_us = now_us
        tables = closed.tables or (empty_table("request"),)
        for number, table in enumerate(tables, 1):
            # A reader may act on a watermark as soon as it sees it: only the last block has it.
            mark_us = now_us if number == len(tables) else before_us
            header = self._header(table.kind, mark_us).but(coverage=closed.coverage)
            yield from self._encoded(table, header)
        mark = BlockHeader(
            kind="anomaly", shard=self.shard, next_offset=next_offset, watermark_us=now_us
        )
        yield from self._told(anomalies, mark)

    def _of_sources(self, header: BlockHeader, closed: Closed, at_us: int) -> Iterator[Out]:
        """Who was given up or taken back, and what was missed meanwhile."""
        for source, awaited in closed.sources:
            yield self._quality(source, at_us, given_up=not awaited)
        if closed.missed_rows:
            source = (header.source, header.partition)
            yield self._quality(source, at_us, missed_rows=closed.missed_rows)

    def _quality(
        self, source: Source, at_us: int, *, given_up: bool = False, missed_rows: int = 0
    ) -> Out:
        topic, partition = source
        quality = Quality(
            at_us=at_us,
            source=topic,
            partition=partition,
            records=0,
            accepted=0,
            shard=self.shard,
            given_up=given_up,
            missed_rows=missed_rows,
        )
        return Out(topic="quality", key=f"{topic}/{partition}/{self.shard}", value=quality)

    def _detected(self, closed: Closed) -> Iterator[Anomaly]:
        tables = {(_kind(table.kind), int(table.window_us[0])): table for table in closed.tables}
        due = [
            (at_us + self._interval_us[kind], number, kind, at_us)
            for number, kind in enumerate(KINDS)
            for at_us in self._due(
                kind, [at for of, at in tables if of == kind], closed.watermark_us
            )
        ]
        for end_us, _, kind, at_us in sorted(due):
            self.grace.advance(end_us)
            yield from self.panels[kind].step(tables.get((kind, at_us)), at_us, self.grace)

    def _due(self, kind: SeriesKind, windows: Collection[int], watermark_us: int) -> Iterator[int]:
        """Windows to step through: those with rows, and so many empty ones after each."""
        step = self._interval_us[kind]
        for at_us in sorted(windows):
            yield from self._empty(kind, at_us)
            yield at_us
            self._next_us[kind] = at_us + step
            self._rest_us[kind] = at_us + step * (EMPTY_WINDOWS + 1)
        yield from self._empty(kind, watermark_us // step * step)

    def _empty(self, kind: SeriesKind, end_us: int) -> Iterator[int]:
        last_us = min(end_us, self._rest_us.get(kind, 0))
        yield from range(self._next_us.get(kind, last_us), last_us, self._interval_us[kind])
        self._next_us[kind] = max(self._next_us.get(kind, 0), last_us)

    def _header(self, kind: str, watermark_us: int) -> BlockHeader:
        return BlockHeader(
            kind="window",
            shard=self.shard,
            watermark_us=watermark_us,
            interval_us=self._interval_us[_kind(kind)],
        )

    def _encoded(self, table: Table, header: BlockHeader) -> Iterator[Out]:
        for value in encode_table(table, header, max_bytes=self._block_bytes):
            yield self._out("windows", value)

    def _told(self, anomalies: Sequence[Anomaly], header: BlockHeader) -> Iterator[Out]:
        starts = range(0, len(anomalies) or 1, ANOMALIES_PER_BLOCK)
        parts = [anomalies[start : start + ANOMALIES_PER_BLOCK] for start in starts]
        for number, part in enumerate(parts, 1):
            payload = msgspec.json.encode(part) if part else b""
            numbered = header.but(part=number, parts=len(parts))
            yield self._out("anomalies", encode_block(numbered, payload=payload))

    def _out(self, topic: str, value: bytes) -> Out:
        return Out(topic=topic, key=str(self.shard), value=value, partition=self.shard)


def meaning_of(
    settings: DetectionSettings, windows: WindowSettings, sources: Collection[Source]
) -> str:
    """The same for settings under which a state means the same."""
    detectors = [one.model_dump(mode="json") for one in chosen(settings)]
    numbers = settings.model_dump(
        include={
            "false_pages_per_week",
            "max_series",
            "anomaly_after_s",
            "anomaly_ends_after_s",
            "grace_after_change_s",
        }
    )
    lengths = windows.model_dump(
        include={"interval_s", "gpu_interval_s", "stall_s", "max_series", "max_hold_s"}
    )
    text = json.dumps([detectors, numbers, lengths, sorted(sources)], sort_keys=True)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _kind(name: str) -> SeriesKind:
    return next(kind for kind in KINDS if kind == name)


def _limits(windows: WindowSettings) -> Limits:
    """Room for twice the windows that a silent source may hold back."""
    held = round(2 * windows.max_hold_s / min(windows.interval_s, windows.gpu_interval_s))
    return Limits(windows=max(Limits().windows, held))


def _changes(payload: bytes) -> list[Change]:
    try:
        return msgspec.json.decode(payload, type=list[Change]) if payload else []
    except msgspec.MsgspecError as exc:
        raise CorruptMessageError(f"control block: {exc}") from exc
