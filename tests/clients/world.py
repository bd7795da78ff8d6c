"""A world for ``tidegate-client`` that tests hold in their hands: clock, broker, chance."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from tidegate_client.backlog import Backlog, Frame, InMemory
from tidegate_client.buffer import Buffer
from tidegate_client.complaints import Complaints
from tidegate_client.frames import Identity
from tidegate_client.link import Link, Outcome
from tidegate_client.packing import Packer
from tidegate_client.sender import Parts, Sender
from tidegate_client.session import World
from tidegate_client.settings import Settings
from tidegate_client.spool import Spool
from tidegate_client.tally import Tally

from streams.codec import FrameHeader, decode_frame
from streams.frames import decode_columns, is_columns, shape_of
from streams.schemas.telemetry import Change, EngineSample, GpuSample, RequestEvent

RECORDS: dict[str, type[msgspec.Struct]] = {
    "requests": RequestEvent,
    "engine": EngineSample,
    "gpu": GpuSample,
    "changes": Change,
}


def decoded(topic: str, frame: bytes) -> tuple[FrameHeader, list[dict[str, Any]]]:
    """As the server reads it."""
    record = RECORDS[topic]
    if is_columns(frame):
        columns = decode_columns(frame, shape_of(record))
        header, lines = columns.header, [columns.json(at) for at in range(len(columns))]
    else:
        header, lines = decode_frame(frame)
    read = [msgspec.json.decode(line, type=record) for line in lines]
    return header, [msgspec.structs.asdict(each) for each in read]


@dataclass
class Broker:
    """Takes frames while it is up; answers when it is told to, or at once."""

    up: bool = True
    answers: bool = True
    error: BaseException | None = None
    taken: list[Frame] = field(default_factory=list)
    links: list["Connection"] = field(default_factory=list)

    def open(self, _: Settings | None = None) -> Link:
        if not self.up:
            raise ConnectionRefusedError(111, "nobody is there")
        self.links.append(Connection(self))
        return self.links[-1]

    def sequences(self) -> list[int]:
        return [frame.sequence for frame in self.taken]


class Connection:
    """One link to the broker above."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.closed = self.abandoned = False
        self.outcomes: list[Outcome] = []

    def prepare(self, topics: Iterable[str]) -> None:
        if not self._broker.up:
            raise ConnectionResetError(104, "the broker has gone")

    def send(self, frame: Frame, done: Callable[[], None]) -> Outcome:
        outcome = Outcome()
        self.outcomes.append(outcome)
        if self._broker.error is None:
            self._broker.taken.append(frame)  # whether or not we learn of it
        if self._broker.answers:
            outcome.settle(self._broker.error)
        done()
        return outcome

    def close(self) -> None:
        self.closed = True

    def abandon(self) -> None:
        self.abandoned = True


class Bench:
    """A sender with its parts, stepped by hand."""

    def __init__(
        self, broker: Broker, *, spool: Path | None = None, boot: str = "b", **limits: int
    ) -> None:
        self.tally, self.now = Tally(), 100.0
        complain = Complaints()
        self.buffer = Buffer(
            self.tally, limit=limits.get("limit", 20), batch=limits.get("batch", 5)
        )
        backlog: Backlog = InMemory(self.tally)
        if spool is not None:
            size = limits.get("max_bytes", 10**6)
            backlog = Spool(
                spool, boot, max_bytes=size, tally=self.tally, complain=complain.complain
            )
        packer = Packer(Identity("p", boot), self.tally, complain.complain)
        parts = Parts(self.buffer, backlog, packer, broker.open, self.tally, complain, lambda: 1.0)
        self.sender = Sender(parts, linger_s=1.0, done=lambda: None)

    def emit(self, many: int = 1) -> None:
        for _ in range(many):
            row = ("arrived", self.tally.emitted + 1, "p", "local", *[""] * 5, 0, "", 0, 0, 0)
            self.buffer.put("requests", (*row, *[None] * 6))

    def step(self, after_s: float = 1.0) -> None:
        self.now += after_s
        self.sender.step(self.now)


def world(broker: Broker) -> World:
    """For a whole client."""
    boots, ticks = count(1), count(1)
    return World(
        open_link=broker.open,
        now_us=lambda: next(ticks) * 1_000_000,
        monotonic_s=lambda: float(next(ticks)),
        boot=lambda: f"boot-{next(boots)}",
        chance=lambda: 0.5,
    )
