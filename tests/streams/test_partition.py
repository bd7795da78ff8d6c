"""One owned partition against a broker made of lists."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiokafka.errors import ProducerFenced
from structlog.testing import capture_logs

from streams.batch import Message, RecordBatch, joined
from streams.partition import Partition
from streams.stage import Out
from streams.transaction import Transaction
from streams.work import AtEnd, Recheck, Work
from tests.streams.toys import eventually


class Broker:
    """The log of one partition, its committed offset, and what was written; keeps the protocols."""

    def __init__(self) -> None:
        self.begins_at = 0
        self.offset: int | None = None
        self.wanted: list[int] = []
        self.written: list[str] = []
        self.opened = 0
        self.member = True
        self.asked = 0
        self.fail: BaseException | None = None

    def want(self, start: int) -> None:
        self.wanted.append(start)

    def unwant(self) -> None:
        pass

    async def is_member(self) -> bool:
        self.asked += 1
        return self.member

    async def committed(self) -> int | None:
        return self.offset

    async def begin(self) -> int:
        return self.begins_at

    async def replay(self, start: int, end: int) -> AsyncIterator[RecordBatch]:
        yield batch(start, end)

    async def tail(self, topic: str, reach: int) -> tuple[list[Message], bool]:
        return [], True

    def transaction(self) -> Transaction:
        return self

    async def open(self) -> None:
        self.opened += 1

    async def commit(self, out: Sequence[Out], offset: int | None = None) -> None:
        if self.fail is not None:
            error, self.fail = self.fail, None
            raise error
        self.written += [each.key for each in out]
        self.offset = offset

    async def close(self) -> None:
        pass


class Echo:
    """Writes one message per batch, named after the interval, and one per look at the end."""

    def __init__(self) -> None:
        self.replayed: list[RecordBatch] = []

    async def restore(self, replay: AsyncIterator[RecordBatch]) -> None:
        self.replayed = [each async for each in replay]

    async def handle(self, each: RecordBatch) -> Sequence[Out]:
        return [Out(topic="audit", key=f"{each.start}-{each.next}", value=b"")]

    async def idle(self, position: int, clock_us: int) -> Sequence[Out]:
        return [Out(topic="audit", key=f"end {position} at {clock_us}", value=b"")]


def batch(start: int, end: int) -> RecordBatch:
    messages = [Message("t", 0, offset, 0, None, b"") for offset in range(start, end)]
    return RecordBatch("t", 0, start, end, messages)


class Case:
    """A partition under test and its broker."""

    def __init__(self, broker: Broker, **work: object) -> None:
        self.handlers: list[Echo] = []
        self.broker = broker
        self.partition = Partition("t", 0, broker, Work(stage="s", handler=self._new, **work))  # type: ignore[arg-type]

    def _new(self, topic: str, partition: int) -> Echo:
        self.handlers.append(Echo())
        return self.handlers[-1]

    async def until(self, offset: int | None, taken: int = 1) -> None:
        """Until the partition waits, with this offset committed, taken over so many times."""
        await eventually(
            lambda: (
                self.broker.offset == offset
                and len(self.handlers) >= taken
                and self.partition.quiet
            )
        )

    async def until_failed(self) -> None:
        await eventually(lambda: self.partition._attempts.failed > 0)


@pytest.fixture
async def broker() -> Broker:
    return Broker()


async def taken_over(case: Case) -> Case:
    case.partition.assigned()
    await case.until(case.broker.offset)
    return case


async def test_a_batch_is_written_together_with_the_offset_behind_it(broker: Broker) -> None:
    case = await taken_over(Case(broker))

    case.partition.deliver(batch(0, 3))
    await case.until(3)
    await case.partition.close()

    assert (broker.written, broker.wanted) == (["0-3"], [0, 3])


@pytest.mark.parametrize("shown", [None, 1])
async def test_an_offset_from_before_our_own_commit_is_not_believed(
    broker: Broker, shown: int | None
) -> None:
    case = await taken_over(Case(broker))
    case.partition.deliver(batch(0, 3))
    await case.until(3)
    broker.fail, broker.offset = ProducerFenced(), shown

    case.partition.deliver(batch(3, 5))
    await eventually(lambda: case.partition.failures > 1)
    asked_again = broker.wanted[2:]
    broker.offset = 3
    await case.until(3, taken=2)
    await case.partition.close()

    assert (asked_again, broker.wanted[-1], broker.written) == ([5], 3, ["0-3"])


async def test_reading_goes_on_from_the_committed_offset(broker: Broker) -> None:
    broker.offset = 7
    case = await taken_over(Case(broker))
    await case.partition.close()

    assert broker.wanted == [7]


async def test_a_batch_from_elsewhere_is_dropped_and_the_right_one_asked_for(
    broker: Broker,
) -> None:
    case = await taken_over(Case(broker))

    case.partition.deliver(batch(5, 9))
    case.partition.deliver(batch(0, 2))
    await case.until(2)
    await case.partition.close()

    assert (broker.written, broker.wanted) == (["0-2"], [0, 0, 2])


async def test_an_interval_without_records_is_passed_without_a_commit(broker: Broker) -> None:
    case = await taken_over(Case(broker))

    case.partition.deliver(RecordBatch("t", 0, 0, 4))
    case.partition.deliver(batch(4, 5))
    await case.until(5)
    await case.partition.close()

    assert broker.written == ["4-5"]


async def test_after_a_failed_commit_state_is_rebuilt_from_the_committed_offset(
    broker: Broker,
) -> None:
    case = await taken_over(Case(broker, replay=True))
    case.partition.deliver(batch(0, 3))
    await case.until(3)

    broker.fail = ProducerFenced()
    case.partition.deliver(batch(3, 6))
    await case.until(3, taken=2)
    await case.partition.close()

    assert (broker.opened, broker.wanted[-1]) == (2, 3)
    assert [(each.start, each.next) for each in case.handlers[1].replayed] == [(0, 3)]


async def test_nobody_is_fenced_by_one_who_is_no_member(broker: Broker) -> None:
    broker.member = False
    case = Case(broker)
    case.partition.assigned()
    await eventually(lambda: broker.asked > 0)
    await case.partition.close()

    assert broker.opened == 0


async def test_a_partition_kept_in_a_rebalance_keeps_its_state(broker: Broker) -> None:
    case = await taken_over(Case(broker))
    case.partition.deliver(batch(0, 3))
    await case.until(3)

    await case.partition.revoked()
    case.partition.assigned()
    case.partition.deliver(batch(3, 4))
    await case.until(4)
    await case.partition.close()

    assert len(case.handlers) == 1


async def test_a_partition_that_another_worked_on_is_taken_over_anew(broker: Broker) -> None:
    case = await taken_over(Case(broker))
    await case.partition.revoked()
    broker.offset = 9

    case.partition.assigned()
    await case.until(9, taken=2)
    await case.partition.close()

    assert broker.wanted[-1] == 9


async def test_nothing_is_taken_while_the_group_decides(broker: Broker) -> None:
    case = await taken_over(Case(broker))
    await case.partition.revoked()

    case.partition.deliver(batch(0, 3))
    case.partition.deliver(Recheck())
    await eventually(case.partition._inbox.empty)
    await case.partition.close()

    assert broker.written == []


async def test_the_end_of_the_log_is_told_with_the_clock_read_before(broker: Broker) -> None:
    broker.offset = 4
    case = await taken_over(Case(broker))

    case.partition.deliver(AtEnd(3, 50))  # looked up before the last batch
    case.partition.deliver(AtEnd(4, 70))
    case.partition.deliver(batch(4, 5))
    await case.until(5)
    await case.partition.close()

    assert broker.written == ["end 4 at 70", "4-5"]


async def test_an_expired_offset_stops_the_partition(broker: Broker) -> None:
    broker.offset, broker.begins_at = 3, 10
    case = Case(broker)
    case.partition.assigned()
    await case.until_failed()
    await case.partition.close()

    assert (broker.wanted, case.handlers) == ([], [])


async def test_with_a_minimal_interval_batches_gather_into_one_commit(broker: Broker) -> None:
    case = await taken_over(Case(broker, min_interval_s=0.05))

    for start in range(4):
        case.partition.deliver(batch(start, start + 1))
    await case.until(4)
    await case.partition.close()

    assert broker.written == ["0-1", "1-4"]


async def test_a_batch_that_gathers_asks_for_more_before_it_is_due(broker: Broker) -> None:
    case = await taken_over(Case(broker, min_interval_s=600))
    case.partition.deliver(batch(0, 1))
    await case.until(1)

    case.partition.deliver(batch(1, 2))

    await eventually(lambda: broker.wanted[-1] == 2)
    await case.partition.close()
    assert broker.written == ["0-1"]


@pytest.mark.parametrize("limit", ["GATHER_BYTES", "GATHER_MESSAGES"])
async def test_a_batch_that_has_grown_large_is_written_before_it_is_due(
    broker: Broker, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"streams.partition.{limit}", 2)
    case = await taken_over(Case(broker, min_interval_s=600))
    for start in range(3):
        message = Message("t", 0, start, 0, None, b"x")
        case.partition.deliver(RecordBatch("t", 0, start, start + 1, [message]))

    await case.until(3)
    await case.partition.close()

    assert broker.written == ["0-1", "1-3"]


def test_joined_batches_cover_the_whole_interval() -> None:
    whole = joined([batch(0, 2), RecordBatch("t", 0, 2, 5), batch(5, 6)])

    assert (whole.start, whole.next, [m.offset for m in whole.messages]) == (0, 6, [0, 1, 5])


async def test_a_batch_that_always_fails_is_tried_on_and_said_loudly(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.retry.FIRST_S", 0.0)
    broker.offset = 4
    case = Case(broker)

    async def fail(_: object, each: RecordBatch) -> Sequence[Out]:
        raise ValueError(f"poison at {each.start}")

    monkeypatch.setattr(Echo, "handle", fail)
    case.partition.assigned()
    with capture_logs() as logs:
        while case.partition.failures < 7:
            case.partition.deliver(batch(4, 6))
            await asyncio.sleep(0)
    await case.partition.close()

    assert case.partition.reached == 4
    loud = [log["failures"] for log in logs if log["log_level"] == "critical"]
    assert (loud[:2], broker.offset) == ([5, 6], 4)


async def test_signs_of_life_grow_with_batches_and_failures(broker: Broker) -> None:
    case = await taken_over(Case(broker))
    before = case.partition.vital.stirs

    case.partition.deliver(batch(0, 3))
    await case.until(3)
    moved = case.partition.vital.stirs
    broker.fail = ProducerFenced()
    case.partition.deliver(batch(3, 5))
    await case.until_failed()

    assert before < moved < case.partition.vital.stirs
    await case.partition.close()
