from collections.abc import AsyncIterator, Sequence
from itertools import islice, pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from streams.batch import Message, RecordBatch
from streams.clock import SECOND_US
from streams.codec import Block, FrameHeader, decode_block, encode_frame, encode_record
from streams.errors import InvalidParameterError, OwnershipLostError
from streams.ingest import IngestHandler
from streams.intake import Ingest
from streams.schemas.system import DeadLetter, FrameMark, Quality, SourceMark
from streams.schemas.telemetry import Change
from streams.series import routing_key, shard_of
from streams.settings import BrokerSettings, StreamSettings, TopicSettings, WindowSettings
from streams.stage import Out
from streams.windows.blocks import decode_table
from streams.windows.merge import ShardMerge
from streams.windows.regroup import merge_tables
from streams.windows.table import Table
from tests.streams.samples import T0, assert_same, batch, gpu, message, request

SETTINGS = StreamSettings(
    topics=TopicSettings(shards=2, max_message_bytes=65_536, block_bytes=16_384),
    windows=WindowSettings(lateness_s=1, max_skew_s=10, max_clock_error_s=0.5),
)
LATE = T0 - 10 * SECOND_US
FUTURE = T0 + 11 * SECOND_US


def ingest(topic: str = "requests") -> Ingest:
    return Ingest(topic, 0, SETTINGS)


def blocks(out: Sequence[Out]) -> list[Block]:
    return [decode_block(o.value) for o in out if isinstance(o.value, bytes)]


def tables(out: Sequence[Out]) -> list[Table]:
    return [decode_table(block) for block in blocks(out)]


def letters(out: Sequence[Out]) -> list[tuple[int, int, str]]:
    found = [o.value for o in out if isinstance(o.value, DeadLetter)]
    return [(letter.offset, letter.line, letter.reason) for letter in found]


def frame(*records: Any, sequence: int = 1, producer: str = "p", boot: str = "b") -> bytes:
    lines = b"\n".join(r if isinstance(r, bytes) else encode_record(r) for r in records)
    header = FrameHeader(producer=producer, boot=boot, sequence=sequence, count=len(records))
    return encode_frame(header, lines)


def arrived(out: Sequence[Out]) -> int:
    return sum(int(table.ints["arrived"].sum()) for table in tables(out))


def test_a_batch_gives_every_shard_its_block_and_the_progress() -> None:
    out = ingest().step(batch(message(request(pool="codex"), 5), message(request(pool="sora"), 6)))

    partials = [o for o in out if o.topic == "partials"]
    assert [(o.key, o.partition) for o in partials] == [("0", 0), ("1", 1)]
    headers = [block.header for block in blocks(out)]
    assert {(h.from_offset, h.next_offset, h.watermark_us) for h in headers} == {
        (5, 7, T0 - SECOND_US - 1)
    }
    assert [(h.source, h.series_kind, h.part, h.parts) for h in headers] == [
        ("requests", "request", 1, 1)
    ] * 2


def test_rows_go_to_the_shard_of_their_pool() -> None:
    records = [request(pool=f"pool-{n}") for n in range(20)]

    out = ingest().step(batch(*(message(r, n) for n, r in enumerate(records))))

    for shard, table in enumerate(tables(out)):
        keys = [routing_key("request", labels) for labels in table.labels.values()]
        assert {shard_of(key, 2) for key in keys} == {shard}


def test_gpu_windows_are_longer() -> None:
    out = ingest("gpu").step(batch(message(gpu(power_w=300), topic="gpu")))

    assert {block.header.interval_us for block in blocks(out)} == {10 * SECOND_US}


@pytest.mark.parametrize(
    ("record", "counted"),
    [
        pytest.param(request(at_us=T0 - 2 * SECOND_US), 1, id="ends-just-within-the-lateness"),
        pytest.param(request(at_us=T0 - 2 * SECOND_US - 1), 0, id="ends-too-early"),
        pytest.param(request(at_us=T0 + 10 * SECOND_US), 1, id="as-far-ahead-as-is-allowed"),
        pytest.param(request(at_us=T0 + 10 * SECOND_US + 1), 0, id="too-far-ahead"),
    ],
)
def test_lateness_is_a_property_of_the_record(record: Any, counted: int) -> None:
    assert arrived(ingest().step(batch(message(record)))) == counted


def test_a_microsecond_more_is_late() -> None:
    record = request(at_us=T0 - 2 * SECOND_US)

    assert arrived(ingest().step(batch(message(record, append_us=T0 + 1)))) == 0


def test_a_late_record_is_counted_and_no_dead_letter() -> None:
    one = ingest()

    out = one.step(batch(message(request(at_us=LATE))))

    assert (letters(out), one.newest and one.newest.late) == ([], 1)


def test_a_record_after_a_later_one_is_judged_by_the_watermark_already_given() -> None:
    one = ingest()
    one.step(batch(message(request(), 0, T0 + 5 * SECOND_US)))

    out = one.step(batch(message(request(at_us=T0), 1, T0)))

    assert arrived(out) == 0


def test_one_bad_record_costs_its_neighbours_nothing() -> None:
    good = encode_record(request())
    bad = [
        b"moon",
        b'{"kind":"arrived"}',
        b'{"kind":"risen","at_us":1,"pool":"p"}',
        b'{"kind":"arrived","at_us":"x","pool":"p"}',
        b'{"kind":"gauge","at_us":1,"pool":"p","queued":NaN}',
        b'{"kind":"gauge","at_us":1,"pool":"p","queued":1e999}',
        b'{"x":' + b"[" * 60_000,
        b'{"kind":"finished","at_us":%d,"pool":"p","ttft_s":-1}' % T0,
        encode_record(request(at_us=FUTURE)),
        b"x" * 65_537,
        b"TGF1" + bytes(40),
        b"",
        None,
    ]
    values = [value for pair in zip([good] * len(bad), bad, strict=True) for value in pair]

    out = ingest().step(batch(*(message(value, n) for n, value in enumerate(values))))

    assert arrived(out) == len(bad)
    assert [reason for _, _, reason in letters(out)] == [
        "not_json",
        "missing_field",
        "unknown_kind",
        "wrong_type",
        "not_finite",
        "out_of_range",
        "too_deep",
        "out_of_range",
        "far_future",
        "too_large",
        "corrupt_frame",
        "not_json",
        "not_json",
    ]
    assert [offset for offset, _, _ in letters(out)] == list(range(1, 2 * len(bad), 2))


def test_a_dead_letter_says_where_and_what_without_secrets() -> None:
    raw = b'{"authorization": "Bearer abc.def", "prompt": "my \\" diary", "pool": "codex"}'

    out = ingest().step(batch(message(raw, 7)))

    letter = next(o for o in out if o.topic == "dead-letters")
    assert letter.key == "requests/0/7/0"
    assert isinstance(letter.value, DeadLetter)
    assert (
        letter.value.head == '{"authorization": [redacted], "prompt": [redacted], "pool": "codex"}'
    )
    assert (letter.value.size_bytes, len(letter.value.sha256)) == (len(raw), 64)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(
            b'{"kind":"arrived","pool":"a","at_us":1,"at_us":%d}' % T0, "", id="last-wins"
        ),
        pytest.param(
            b'{"kind":"arrived","pool":1,"pool":"a","at_us":%d}' % T0, "wrong_type", id="no"
        ),
        pytest.param(b'{"x":%s}' % (b"[" * 3_000 + b"]" * 3_000), "too_deep", id="depth"),
        pytest.param(b'{"x":%s' % (b'{"x":' * 3_000), "too_deep", id="depth-of-objects"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda raw: raw, frame, lambda raw: raw + b"\n{}"])
def test_doubled_keys_and_depth_bombs_are_records_or_dead_letters(
    raw: bytes, reason: str, wrap: Any
) -> None:
    out = ingest().step(batch(message(wrap(raw))))

    assert arrived(out) == (not reason)
    assert [why for _, line, why in letters(out) if line == 0] == [reason] * bool(reason)


@pytest.mark.parametrize("wrap", [frame, lambda *lines: b"\n".join([*lines, b""])])
def test_lines_of_a_message_are_records_of_their_own(wrap: Any) -> None:
    good = encode_record(request())

    out = ingest().step(batch(message(wrap(good, b"moon", good, b'{"kind":1}'), 3)))

    assert arrived(out) == 2
    assert letters(out) == [(3, 1, "not_json"), (3, 3, "wrong_type")]


def test_one_document_over_many_lines_is_one_record() -> None:
    pretty = msgspec.json.format(encode_record(request()))

    out = ingest().step(batch(message(pretty, 0), message(pretty.replace(b"arrived", b"risen"), 1)))

    assert (arrived(out), letters(out)) == (1, [(1, 0, "unknown_kind")])


def test_a_dead_letter_of_one_document_over_many_lines_is_all_of_it() -> None:
    raw = b'{"kind":"arrived","at_us":%d,"pool":"p","x":\n{"y":1}\n}' % FUTURE

    out = ingest().step(batch(message(raw)))

    (letter,) = [o.value for o in out if isinstance(o.value, DeadLetter)]
    assert (letter.reason, letter.head) == ("far_future", raw.decode())


def test_a_repeated_frame_counts_once() -> None:
    one = ingest()
    values = [frame(request()), frame(request()), frame(request(), sequence=2)]

    out = one.step(batch(*(message(value, n) for n, value in enumerate(values))))
    again = one.step(batch(message(frame(request()), 3)))

    assert (arrived(out), arrived(again)) == (2, 0)
    assert one.newest is not None
    assert (one.newest.records, one.newest.duplicate_frames) == (0, 1)


def test_a_frame_of_another_boot_or_overtaken_by_a_later_one_counts() -> None:
    values = [
        frame(request(), sequence=5),
        frame(request(), sequence=4),
        frame(request(), sequence=5, boot="c"),
    ]

    assert arrived(ingest().step(batch(*(message(v, n) for n, v in enumerate(values))))) == 3


def test_an_idle_source_moves_the_watermark_by_the_clock() -> None:
    one = ingest()
    one.step(batch(message(request(), 4)))

    out = one.idle(5, T0 + 60 * SECOND_US)

    headers = [block.header for block in blocks(out)]
    assert {(h.from_offset, h.next_offset) for h in headers} == {(5, 5)}
    assert {h.watermark_us for h in headers} == {T0 + 58_500_000 - 1}
    assert sum(map(len, tables(out))) == 0


def test_offsets_of_markers_lie_in_the_next_block() -> None:
    one = ingest()
    one.step(batch(message(request(), 0)))

    headers = [block.header for block in blocks(one.step(batch(message(request(), 4))))]

    assert {(h.from_offset, h.next_offset) for h in headers} == {(1, 5)}


def test_what_is_read_again_counts_again_as_its_first_writing_is_not_known() -> None:
    one = ingest()
    one.step(batch(message(frame(request()), 0), message(request(), 1, T0 + 60 * SECOND_US)))

    assert arrived(one.step(batch(message(frame(request()), 0)))) == 1


def test_changes_go_to_every_shard_and_are_never_late() -> None:
    changes = [Change(id=f"c{n}", at_us=LATE, kind="scaled", summary="x" * 6_000) for n in range(5)]

    out = ingest("changes").step(
        batch(*(message(c, n, topic="changes") for n, c in enumerate(changes)))
    )

    for shard in (0, 1):
        mine = [b for b in blocks(out) if b.header.shard == shard]
        assert [b.header.part for b in mine] == list(range(1, mine[0].header.parts + 1))
        found = [c for b in mine for c in msgspec.json.decode(b.payload, type=list[Change])]
        assert found == changes
        assert max(len(b.payload) for b in mine) < 16_384
        assert {b.header.kind for b in mine} == {"control"}


def test_the_block_of_a_change_has_its_own_watermark_however_the_log_is_cut() -> None:
    changes = [Change(id=f"c{n}", at_us=T0, kind="scaled", summary="") for n in range(4)]
    times = [T0, T0 + 1_000, T0 + 1_000, T0 + 2_000]
    log = [message(changes[n], n, times[n], topic="changes") for n in range(4)]

    def told(*sizes: int) -> dict[str, int]:
        one, rest, found = ingest("changes"), iter(log), {}
        for size in sizes:
            for block in blocks(one.step(batch(*islice(rest, size)))):
                for change in msgspec.json.decode(block.payload, type=list[Change]):
                    found[change.id] = block.header.watermark_us - T0 + SECOND_US + 1
        return found

    assert told(4) == told(1, 1, 1, 1) == told(2, 2) == {
        "c0": 0, "c1": 1_000, "c2": 1_000, "c3": 2_000,
    }  # fmt: skip


def test_a_change_too_large_for_a_block_is_set_aside() -> None:
    change = Change(id="c", at_us=T0, kind="scaled", summary="x" * 20_000)

    out = ingest("changes").step(batch(message(change, topic="changes")))

    assert letters(out) == [(0, 0, "too_large")]


def test_an_unknown_topic_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="topic must be one of requests, engine"):
        ingest("windows")


def test_quality_is_told_at_most_once_a_second() -> None:
    one = ingest()
    steps = [
        one.step(batch(message(request(at_us=at), n, at)))
        for n, at in enumerate([T0, T0 + 400_000, T0 + 1_200_000, T0 + 1_300_000])
    ]
    steps.append(one.idle(4, T0 + 2_000_000))

    told = [[o.value for o in out if isinstance(o.value, Quality)] for out in steps]
    assert [[(q.at_us, q.records) for q in each] for each in told] == [
        [],
        [],
        [(T0, 2)],
        [],
        [(T0 + SECOND_US, 2)],
    ]


RAW = st.one_of(
    st.builds(
        request,
        kind=st.sampled_from(["arrived", "finished", "gauge"]),
        at_us=st.sampled_from(
            [LATE, T0 - SECOND_US, T0, T0 + 1, T0 + 3 * SECOND_US, FUTURE, 2**70]
        ),
        pool=st.sampled_from(["codex", "sora", "x" * 300]),
        ttft_s=st.sampled_from([None, 0.1, -1.0]),
    ).map(encode_record),
    st.sampled_from([b"moon", b"{}", b'{"kind":"arrived","at_us":0,"pool":NaN}', b"TGF1"]),
)
MESSAGES = st.lists(
    st.one_of(
        RAW,
        st.lists(RAW.filter(lambda raw: raw != b""), max_size=4).flatmap(
            lambda lines: st.integers(0, 3).map(lambda n: frame(*lines, sequence=n))
        ),
    ),
    min_size=1,
    max_size=12,
)


def log_of(values: list[bytes]) -> list[Message]:
    return [message(value, n, T0 + n * 300_000) for n, value in enumerate(values)]


@given(MESSAGES)
@settings(max_examples=50, deadline=None)
def test_records_in_are_records_counted_late_or_set_aside(values: list[bytes]) -> None:
    one = ingest()

    out = one.step(batch(*log_of(values)))

    counts = one.newest
    assert counts is not None
    assert counts.records == counts.accepted + counts.late + counts.far_future + counts.dead
    assert counts.far_future + counts.dead == len(letters(out))
    whole = merge_tables(tables(out))
    assert counts.accepted >= whole.ints["arrived"].sum() + whole.ints["finished"].sum()


@given(MESSAGES, st.lists(st.integers(1, 11), max_size=3))
@settings(max_examples=40, deadline=None)
def test_windows_do_not_depend_on_how_the_log_is_cut(values: list[bytes], cuts: list[int]) -> None:
    log = log_of(values)

    def through(edges: list[int]) -> tuple[list[Table], list[Any]]:
        one, merge = ingest(), shard()
        closed: list[Table] = []
        aside: list[Any] = []
        outs = [one.step(batch(*log[a:b])) for a, b in pairwise(edges)]
        outs.append(one.idle(len(log), T0 + 60 * SECOND_US))
        for out in outs:
            aside += letters(out)
            for block in blocks(out):
                if block.header.shard == 0:
                    closed += merge.add(block.header, decode_table(block), T0).tables
        assert merge.counts.late_after_close == merge.counts.lost_records == 0
        return closed, aside

    def shard() -> ShardMerge:
        return ShardMerge(0, [("requests", 0)], {"request": SECOND_US}, 10)

    inside = sorted({cut for cut in cuts if cut < len(log)})
    left, right = through([0, *inside, len(log)]), through([0, len(log)])
    assert_same(left[0], right[0])
    assert left[1] == right[1]


class TestRestore:
    """A handler that takes over goes on where the one before it had come to."""

    @staticmethod
    def handler(out: Sequence[Out], **broker: Any) -> IngestHandler:
        async def stored() -> AsyncIterator[Message]:
            for n, o in enumerate(o for o in out if o.topic == "state.ingest"):
                value = None if o.value is None else msgspec.json.encode(o.value)
                yield Message("state.ingest", 0, n, T0, o.key.encode(), value)

        settings = SETTINGS.model_copy(update={"broker": BrokerSettings(**broker)})
        return IngestHandler("requests", 0, settings, stored=stored)

    @staticmethod
    async def nothing() -> AsyncIterator[RecordBatch]:
        batches: list[RecordBatch] = []
        for each in batches:
            yield each

    async def test_frames_counted_before_are_repeated(self) -> None:
        before = ingest().step(batch(message(frame(request()), 0)))
        after = self.handler(before)
        await after.restore(self.nothing())

        out = await after.handle(batch(message(frame(request()), 1)))

        assert arrived(out) == 0

    async def test_an_offset_from_before_its_own_mark_is_not_believed(self) -> None:
        before = ingest().step(batch(message(request(), 0), message(request(), 1)))
        after = self.handler(before)
        await after.restore(self.nothing())

        with pytest.raises(OwnershipLostError, match="says 0, but 2 was committed"):
            await after.handle(batch(message(request(), 0)))
        with pytest.raises(OwnershipLostError, match="the coordinator is behind"):
            await after.idle(1, T0)
        assert arrived(await after.handle(batch(message(request(), 2)))) == 1

    async def test_without_transactions_it_is_read_again(self) -> None:
        before = ingest().step(batch(message(request(), 0), message(request(), 1)))
        after = self.handler(before, delivery="at_least_once")
        await after.restore(self.nothing())

        assert arrived(await after.handle(batch(message(request(), 0)))) == 1

    async def test_what_senders_did_is_shown(self) -> None:
        handler = self.handler([])

        await handler.handle(batch(message(request("finished", ttft_s=400.0))))
        await handler.idle(1, T0 + 60 * SECOND_US)

        shown = REGISTRY.get_sample_value(
            "tidegate_stage_doubtful_values", {"stage": "ingest", "partition": "requests/0"}
        )
        assert shown == 1

    async def test_the_watermark_does_not_go_back(self) -> None:
        after = self.handler(ingest().idle(3, T0 + 60 * SECOND_US))
        await after.restore(self.nothing())

        out = await after.idle(3, T0)

        assert blocks(out)[0].header.watermark_us == T0 + 58_500_000 - 1

    async def test_marks_of_other_partitions_are_none_of_ours(self) -> None:
        mark = FrameMark(producer="p", boot="b", sequence=1)
        others = [
            Out(topic="state.ingest", key="requests/01/p/b", value=mark),
            Out(topic="state.ingest", key="engine/0/p/b", value=mark),
            Out(
                topic="state.ingest",
                key="engine/0",
                value=SourceMark(next_offset=9, watermark_us=9),
            ),
        ]
        after = self.handler(others)
        await after.restore(self.nothing())

        assert arrived(await after.handle(batch(message(frame(request()), 0)))) == 1

    async def test_a_forgotten_mark_is_forgotten(self) -> None:
        before = ingest().step(batch(message(frame(request()), 0)))
        after = self.handler([*before, Out(topic="state.ingest", key="requests/0/p/b", value=None)])
        await after.restore(self.nothing())

        assert arrived(await after.handle(batch(message(frame(request()), 1)))) == 1

    async def test_what_was_counted_and_not_told_is_told(self) -> None:
        after = self.handler(ingest().step(batch(message(request(), 0))))
        await after.restore(self.nothing())

        out = await after.idle(1, T0 + SECOND_US)

        assert [o.value.records for o in out if isinstance(o.value, Quality)] == [1]


async def test_the_oldest_producers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    one = ingest()
    monkeypatch.setattr(one._repeats, "_max_producers", 2)
    values = [frame(request(), producer=name) for name in "abc"]

    out = one.step(batch(*(message(value, n) for n, value in enumerate(values))))

    states = [(o.key, o.value is None) for o in out if o.topic == "state.ingest"]
    assert ("requests/0/a/b", True) in states
    assert states.index(("requests/0/a/b", True)) > states.index(("requests/0/a/b", False))
