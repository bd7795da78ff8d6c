"""What a stage's thinking looks like to the code that runs it: pure steps with records in and out.

Two shapes of stage exist (docs/architecture.md):

* a *log* stage (INGEST, WATCH, DRIVE, SINK) takes each partition's batches in offset order;
* a *ticked* stage (RESPOND, PLAN, ALERT) has several inputs and steps once a second of event time,
  when the final watermark of every shard has passed that second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from streams.codec import encode_record
from streams.windows.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """One message to write: ``topic`` without prefix, and its partition where the shard decides.

    value: a record (written as JSON), bytes (a block), or None (a tombstone).
    """

    topic: str
    key: str
    value: msgspec.Struct | bytes | None
    partition: int | None = None

    @property
    def payload(self) -> bytes | None:
        """The value as it is written."""
        return encode_record(self.value) if isinstance(self.value, msgspec.Struct) else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One input of a tick. ``at_us`` is event time; arrivals are sorted by (at_us, id)."""

    at_us: int
    id: str
    topic: str
    key: str = ""
    record: msgspec.Struct | Table | None = None
    """The decoded record (an Anomaly, a Change, ...), or the final windows of one shard as a
    Table; None is a tombstone."""
    early: bool = False
    """A Table of deltas, seen while the final watermark stalls: true as far as it goes, neither
    complete nor final, and gone after a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Everything that happened before ``now_us`` and was not yet seen.

    stalled: the final watermark has not moved for 3 s; decide on nothing that needs fresh data.
    """

    now_us: int
    arrivals: Sequence[Arrival] = ()
    stalled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step wants written, in one transaction with the inputs' offsets.

    state: key -> object to keep (bytes), or None to forget it; see ``Thinker.restore``.
    """

    out: Sequence[Out] = ()
    state: Mapping[str, bytes | None] = field(default_factory=dict)


class Thinker(Protocol):
    """The thinking of a ticked stage; holds its state, does no I/O, reads no clock."""

    inputs: tuple[str, ...]
    """Topics it reads, without prefix; `windows` and `anomalies` arrive decoded and final only."""

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up the state of the last committed step, instead of any that is there.

        Called once: before the first step, or, where there was a memory to recall, before the first
        step beyond those that were gone through again.
        """
        ...

    def step(self, tick: Tick) -> Outcome:
        """Advance to ``tick.now_us``. The same state and tick give the same outcome."""
        ...
