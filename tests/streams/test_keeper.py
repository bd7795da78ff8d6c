"""Snapshots of one partition: when they are taken, what of them is written, which one is used."""

import dataclasses
from collections.abc import AsyncIterator, Sequence

import pytest
from aiokafka.errors import ProducerFenced

from streams.batch import Message, RecordBatch
from streams.codec import decode_record, encode_record
from streams.errors import SnapshotError
from streams.packing import pack, unpack
from streams.partition import Partition
from streams.schemas.system import SnapshotManifest
from streams.snapshots import manifests, missing_chunks, newest_values
from streams.stage import Out
from streams.work import AtEnd, Keeping, Work
from tests.streams.test_partition import Broker
from tests.streams.toys import Counting, eventually

TOPIC = "snapshots.watch"
ALWAYS = Keeping(topic=TOPIC, every_s=1e-9, after_work_s=1e9, chunk_bytes=400)
AT_THE_END = dataclasses.replace(ALWAYS, every_s=1e9)


class Store(Broker):
    """Keeps what is written to the topic of snapshots, commit by commit."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[list[Out]] = []
        self.replays: list[tuple[int, int]] = []
        self.stamp = 0

    async def commit(self, out: Sequence[Out], offset: int | None = None) -> None:
        kept_offset = self.offset if offset is None else offset
        await super().commit([one for one in out if one.topic != TOPIC], kept_offset)
        self.commits.append([one for one in out if one.topic == TOPIC])

    async def replay(self, start: int, end: int) -> AsyncIterator[RecordBatch]:
        self.replays.append((start, end))
        yield batch(start, end, self.stamp)

    async def tail(self, topic: str, reach: int) -> tuple[list[Message], bool]:
        messages = self.messages()
        return messages[-reach:], reach >= len(messages)

    def messages(self) -> list[Message]:
        outs = [one for commit in self.commits for one in commit]
        return [
            Message(TOPIC, 0, at, 0, one.key.encode(), one.value)  # type: ignore[arg-type]
            for at, one in enumerate(outs)
        ]

    def whole(self) -> list[SnapshotManifest]:
        values = newest_values(self.messages())
        return [one for one in manifests(values) if not missing_chunks(one, values)]

    def tamper(self, key: str, value: bytes) -> None:
        self.commits.append([Out(topic=TOPIC, key=key, value=value)])


class Adding:
    """Adds up offsets: the sum says whether every message was taken once."""

    def __init__(self, meaning: str = "m") -> None:
        self.meaning = meaning
        self.sum = 0
        self.ballast = bytes(range(256)) * 4  # more than one chunk

    async def restore(self, replay: AsyncIterator[RecordBatch]) -> None:
        async for each in replay:
            self.sum += sum(message.offset for message in each.messages)

    async def handle(self, each: RecordBatch) -> Sequence[Out]:
        self.sum += sum(message.offset for message in each.messages)
        return [Out(topic="audit", key=str(self.sum), value=b"")]

    async def idle(self, position: int, clock_us: int) -> Sequence[Out]:
        return ()

    def save(self) -> bytes:
        return pack({"sum": self.sum, "ballast": [self.ballast, pack(list(range(600)))]})

    def load(self, state: bytes) -> None:
        self.sum = int(unpack(state, dict)["sum"])


def batch(start: int, end: int, stamp: int = 0) -> RecordBatch:
    messages = [Message("t", 0, offset, stamp, None, b"") for offset in range(start, end)]
    return RecordBatch("t", 0, start, end, messages)


@pytest.fixture
async def store() -> Store:
    return Store()


class Case:
    """A partition that keeps snapshots, from one take-over to the next."""

    def __init__(self, store: Store, keeping: Keeping = ALWAYS, meaning: str = "m") -> None:
        self.store = store
        self.made: list[Adding] = []
        self.meaning = meaning
        work = Work(stage="s", handler=self._new, keeping=keeping)
        self.partition = Partition("t", 0, store, work)

    def _new(self, topic: str, partition: int) -> Adding:
        self.made.append(Adding(self.meaning))
        return self.made[-1]

    async def started(self) -> "Case":
        self.partition.assigned()
        await eventually(lambda: self.partition.quiet)
        return self

    async def feed(self, start: int, end: int) -> None:
        """One by one, as nothing is done between two commits that takes any time."""
        for offset in range(start, end):
            self.partition.deliver(batch(offset, offset + 1, self.store.stamp))
            await eventually(lambda upto=offset + 1: self.partition.position == upto)  # type: ignore[misc]
            await eventually(lambda: self.partition.quiet)
            keeper = self.partition._keeper
            if keeper is not None:
                await keeper.writer.encoded()


async def run(store: Store, start: int, end: int, **more: object) -> Case:
    """Feed an interval, then end as a killed process does: nothing more is written."""
    case = await Case(store, **more).started()  # type: ignore[arg-type]
    await case.feed(start, end)
    await case.partition.close()
    return case


async def test_chunks_come_before_their_manifest_which_names_the_committed_offset(
    store: Store,
) -> None:
    await run(store, 0, 6)

    kinds = [["/" in one.key for one in commit] for commit in store.commits]
    assert kinds[:4] == [[], [True, True], [True, True], [False]]
    first = next(one for commit in store.commits for one in commit if "/" not in one.key)
    assert decode_record(first.value, SnapshotManifest).offset == 1  # type: ignore[arg-type]


async def test_a_restart_replays_only_what_came_after_the_newest_snapshot(store: Store) -> None:
    await run(store, 0, 20)
    newest = store.whole()[0].offset
    store.replays.clear()

    case = await run(store, 20, 21)

    assert store.replays == [(newest - 1, newest), (newest, 20)]
    assert case.made[-1].sum == sum(range(21))


async def test_two_snapshots_stay_and_older_ones_are_taken_away(store: Store) -> None:
    await run(store, 0, 60)

    values = newest_values(store.messages())
    finished = {one.id for one in store.whole()}
    under_way = {key.partition("/")[0] for key in values} - finished
    assert len(finished) in {2, 3}  # three between the manifest and the tombstones
    assert len(under_way) <= 1


async def test_snapshots_of_a_former_run_are_taken_away_too(store: Store) -> None:
    for start in range(0, 80, 8):
        await run(store, start, start + 8)

    ids = {key.partition("/")[0] for key in newest_values(store.messages())}
    assert len(ids) <= 4


async def test_who_stops_in_good_order_leaves_nothing_to_replay(store: Store) -> None:
    case = await Case(store, AT_THE_END).started()
    await case.feed(0, 5)
    assert store.whole() == []

    await case.partition.stop()

    assert store.whole()[0].offset == 5


async def test_stopping_finishes_the_snapshot_under_way(store: Store) -> None:
    case = await Case(store).started()
    await case.feed(0, 2)

    await case.partition.stop()

    assert [one.offset for one in store.whole()] == [2, 1]


async def test_a_fenced_owner_stops_without_a_snapshot_and_without_waiting(store: Store) -> None:
    case = await Case(store, AT_THE_END).started()
    await case.feed(0, 5)
    store.fail = ProducerFenced()

    await case.partition.stop()

    assert (store.whole(), case.partition._attempts.failed) == ([], 0)


async def test_much_work_is_reason_enough_for_a_snapshot(store: Store) -> None:
    await run(store, 0, 9, keeping=dataclasses.replace(AT_THE_END, after_work_s=1e-9))

    assert store.whole()


async def test_without_need_no_snapshot_is_taken(store: Store) -> None:
    await run(store, 0, 9, keeping=AT_THE_END)

    assert store.messages() == []


def damaged_chunk(store: Store) -> None:
    store.tamper(f"{store.whole()[0].id}/1", b"garbage")


def foreign_numpy(store: Store) -> None:
    newest = store.whole()[0]
    store.tamper(newest.id, encode_record(newest.but(numpy="1.26.4")))


def unreadable_manifest(store: Store) -> None:
    store.tamper(store.whole()[0].id, b"{}")


def from_the_future(store: Store) -> None:
    newest = store.whole()[0]
    store.tamper("999-00000000", encode_record(newest.but(id="999-00000000", offset=999)))


@pytest.mark.parametrize(
    ("harm", "used"),
    [
        pytest.param(damaged_chunk, 1, id="damaged-chunk"),
        pytest.param(foreign_numpy, 1, id="another-numpy"),
        pytest.param(unreadable_manifest, 1, id="unreadable-manifest"),
        pytest.param(from_the_future, 0, id="an-offset-that-was-never-committed"),
    ],
)
async def test_of_a_bad_snapshot_the_next_older_one_takes_the_place(
    store: Store, harm: object, used: int
) -> None:
    await run(store, 0, 30)
    expected = store.whole()[used].offset
    harm(store)  # type: ignore[operator]
    store.replays.clear()

    case = await run(store, 30, 31)

    assert store.replays[-1] == (expected, 30)
    assert case.made[-1].sum == sum(range(31))


async def test_other_settings_mean_that_the_log_is_replayed(store: Store) -> None:
    await run(store, 0, 30)

    case = await run(store, 30, 31, meaning="others")

    assert store.replays[-1] == (0, 30)
    assert case.made[-1].sum == sum(range(31))


async def test_a_snapshot_that_the_log_has_left_behind_is_not_used(store: Store) -> None:
    await run(store, 0, 30)
    store.begins_at = store.whole()[0].offset + 1

    await run(store, 30, 31)

    assert store.replays[-1] == (store.begins_at, 30)


async def test_a_snapshot_of_a_log_that_was_made_anew_is_not_used(store: Store) -> None:
    await run(store, 0, 30)
    store.stamp = 5_000

    await run(store, 30, 31)

    assert store.replays[-1] == (0, 30)


async def test_two_snapshots_of_use_are_looked_for_as_far_back_as_it_takes(store: Store) -> None:
    await run(store, 0, 30)
    newest = store.whole()[0].offset
    for number in range(3_000):
        store.tamper(f"orphan-{number}/1", b"")

    await run(store, 30, 31)

    assert store.replays[-1] == (newest, 30)


async def test_a_snapshot_that_covers_the_beginning_of_the_log_is_used(store: Store) -> None:
    await run(store, 0, 30)
    store.begins_at = store.whole()[0].offset  # the last message it covers has expired

    await run(store, 30, 31)

    assert store.replays[-1] == (store.begins_at, 30)


async def test_where_nothing_more_comes_the_snapshot_is_written_all_the_same(store: Store) -> None:
    case = await Case(store).started()
    await case.feed(0, 1)

    for _ in range(4):
        case.partition.deliver(AtEnd(1, 0))
    await eventually(lambda: len(store.whole()) == 1)
    await case.partition.close()

    assert store.offset == 1


async def test_a_state_that_is_too_large_is_not_written_and_nothing_else_suffers(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.snapshots.MAX_STATE_BYTES", 10)

    case = await run(store, 0, 5)

    assert (store.messages(), store.offset) == ([], 5)
    assert case.partition._attempts.failed == 0


async def test_a_handler_without_a_state_to_keep_is_an_error(store: Store) -> None:
    case = Case(store)
    case.partition = Partition(
        "t", 0, store, Work(stage="s", handler=lambda *_: Counting(0), keeping=ALWAYS)
    )
    case.partition.assigned()
    await eventually(lambda: case.partition._attempts.failed > 0)
    await case.partition.close()

    assert store.wanted == []


class Forgetful(Adding):
    def load(self, state: bytes) -> None:
        self.sum = 10**6
        raise SnapshotError("not understood")


async def test_a_state_half_taken_up_is_thrown_away(store: Store) -> None:
    await run(store, 0, 30)
    case = Case(store)
    work = Work(stage="s", handler=lambda *_: Forgetful("m"), keeping=ALWAYS)
    case.partition = Partition("t", 0, store, work)

    await case.started()
    await case.feed(30, 31)
    await case.partition.close()

    assert store.written[-1] == str(sum(range(31)))
