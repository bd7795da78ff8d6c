"""An owner of one partition by the rules of the design, one operation of the broker at a time.

Each ``step`` runs to the next point where a process may die, freeze or be overtaken. The rules are
those of ``streams/partition.py``, ``streams/ownership.py`` and ``streams/ticked.py``; what they
are applied to is the project's own code.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from streams.batch import RecordBatch
from streams.clock import SECOND_US
from streams.errors import OwnershipLostError
from streams.restoring import not_behind
from streams.stage import Out
from streams.work import AtEnd
from tests.model.broker import Broker, Log, LostError, Producer, Source

IDLE_US: Final = SECOND_US
Fate = Literal["unsent", "unanswered"]
Steps = Iterator[None]


class Handler(Protocol):
    """The thinking of a log stage on one partition."""

    @property
    def state(self) -> Source | None:
        """What it restores from, beside its own log."""
        ...

    def told(self, broker: Broker) -> int | None:
        """Up to where a stage had come, by what it has written."""
        ...

    def restore(self, broker: Broker, committed: int) -> None: ...
    def handle(self, batch: RecordBatch) -> Sequence[Out]: ...
    def idle(self, position: int, clock_us: int) -> Sequence[Out]: ...


@dataclass(slots=True)
class Group:
    """What a stage's group coordinator knows: whose each partition is."""

    stage: str
    owners: dict[Source, int] = field(default_factory=dict)


@dataclass(slots=True)
class Process:
    """One worker of one stage.

    error_us: by how much its clock is wrong. fate: of its next commit. most: messages in a batch.
    """

    number: int
    group: Group
    broker: Broker
    error_us: int = 0
    frozen: bool = False
    fate: Fate | None = None
    most: int = 1_000
    owners: "dict[Source, Owner]" = field(default_factory=dict)

    def clock(self) -> int:
        return self.broker.now_us + self.error_us

    def is_member(self, source: Source) -> bool:
        """Asked of the coordinator now."""
        return self.group.owners.get(source) == self.number

    def hear(self) -> None:
        """The group has assigned anew, and this process learns of it."""
        for source, owner in self.owners.items():
            owner.told(ours=self.is_member(source))

    def crash(self) -> None:
        self.frozen, self.fate = False, None
        for owner in self.owners.values():
            owner.told(ours=False)
        self.hear()

    def step(self) -> None:
        for owner in self.owners.values():
            owner.step()


class Owner:
    """Waits until its partition is ours, takes it over, works through it; anew after any error."""

    def __init__(self, process: Process, source: Source) -> None:
        self.position = -1
        """Where the next batch has to start; -1 until taken over."""
        self.inbox: list[RecordBatch] = []
        self.latest: RecordBatch | None = None
        self._process = process
        self._broker = process.broker
        self._source = source
        self._place = process.group.stage, *source
        self._ours = False
        self._recheck = False
        self._committed: int | None = None
        self._life = self._live()

    def step(self) -> None:
        next(self._life)

    def told(self, *, ours: bool) -> None:
        self._recheck = self._ours and ours
        if self._ours and not ours:
            self._life = self._live()
            self._forget()
        self._ours = ours

    def _forget(self) -> None:
        self.position, self._committed = -1, None

    def _live(self) -> Steps:
        while True:
            try:
                yield from self._own()
            except (LostError, OwnershipLostError):
                self.position = -1
                yield

    def _own(self) -> Steps:
        while not (self._ours and self._process.is_member(self._source)):
            yield
        yield
        producer = self._open()
        yield
        # We may have been frozen meanwhile and have fenced the rightful owner: ask again.
        if not self._process.is_member(self._source):
            raise LostError("not ours any more")
        self._committed = self._committed_now()
        yield
        yield from self._work(producer)

    def _committed_now(self) -> int | None:
        """A coordinator that has just come back may show an offset from before our own commit."""
        return not_behind("here", self._broker.offset(self._place), self._committed)

    def _open(self) -> Producer:
        return self._broker.producer("/".join(map(str, self._place)))

    def _work(self, producer: Producer) -> Steps:
        raise AssertionError("a kind of owner says what it works on")

    def _check_again(self) -> None:
        """Kept, if nobody has been here in between."""
        self._recheck = False
        if not self._process.is_member(self._source):
            raise LostError("not ours any more")
        if self._broker.offset(self._place) != self._committed:
            raise LostError("somebody else has been here")

    def _commit(self, producer: Producer, out: Sequence[Out], offset: int | None) -> Steps:
        """Outputs and offset together; an error means: outcome unknown."""
        producer.write(out)
        yield
        self._settle(producer, {} if offset is None else {self._place: offset})
        self._committed = offset

    def _settle(self, producer: Producer, offsets: Mapping[tuple[str, str, int], int]) -> None:
        fate, self._process.fate = self._process.fate, None
        if fate == "unsent":
            raise LostError("the commit has not arrived")
        producer.commit(offsets)
        if fate == "unanswered":
            raise LostError("the commit has arrived, its answer has not")


class LogOwner(Owner):
    """Of a log stage: batch by batch, each only if it starts where the last one ended."""

    def __init__(
        self, process: Process, source: Source, new_handler: Callable[[], Handler]
    ) -> None:
        super().__init__(process, source)
        self._log = self._broker.logs[source]
        self._new_handler = new_handler
        self.handler: Handler | None = None
        self._active_us = 0

    def _forget(self) -> None:
        super()._forget()
        self.handler = None

    def _committed_now(self) -> int | None:
        """... or before that of somebody else, who has told in what he wrote how far he came."""
        return not_behind("here", super()._committed_now(), self._new_handler().told(self._broker))

    def _work(self, producer: Producer) -> Steps:
        handler = self._new_handler()
        if handler.state is not None:
            yield from self._wait(self._broker.logs[handler.state])
        handler = self.handler = self._restored(handler)
        self._advance(self._committed or 0)
        self.inbox.clear()
        yield
        while True:
            if self._recheck:
                self._check_again()
            if self.inbox or self._log.stable > self.position:
                yield from self._take(producer, handler)
            elif self._broker.now_us - self._active_us >= IDLE_US:
                yield from self._look_at_end(producer, handler)
            yield

    def _wait(self, state: Log) -> Steps:
        """Others write there too: an open transaction of theirs hides what we have committed."""
        end = state.end
        while state.stable < end:
            yield

    def _restored(self, handler: Handler) -> Handler:
        handler.restore(self._broker, self._committed or 0)
        return handler

    def _take(self, producer: Producer, handler: Handler) -> Steps:
        batch = self.inbox.pop(0) if self.inbox else self._fetched()
        if not self._fits(batch):
            return
        if batch.messages:
            out = handler.handle(batch)
            yield
            yield from self._commit(producer, out, batch.next)
        self._advance(batch.next)

    def _fetched(self) -> RecordBatch:
        self.latest = self._log.read(self.position, self._process.most)
        return self.latest

    def _fits(self, batch: RecordBatch) -> bool:
        return batch.start == self.position

    def _look_at_end(self, producer: Producer, handler: Handler) -> Steps:
        clock_us, position = self._process.clock(), self.position
        yield
        end = AtEnd(self._end(), clock_us)
        yield
        if end.position != position or position != self.position:
            return
        out = handler.idle(position, end.clock_us)
        if out:
            yield
            yield from self._commit(producer, out, position)
        self._active_us = self._broker.now_us

    def _end(self) -> int:
        """Transactions that are open count: only then is all before the clock's reading known."""
        return self._log.end

    def _advance(self, position: int) -> None:
        self.position = position
        self._active_us = self._broker.now_us
