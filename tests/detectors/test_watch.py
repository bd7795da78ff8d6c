"""The machine of one shard: what it writes for which messages."""

import numpy as np
import pytest

from detectors.grace import Grace
from detectors.watch import EMPTY_WINDOWS
from streams.batch import Message
from streams.codec import Block, BlockHeader, decode_block, encode_block
from streams.controls import announced
from streams.schemas.anomalies import Anomaly
from streams.schemas.system import DeadLetter, Quality
from streams.schemas.telemetry import EngineSample, RequestEvent
from streams.settings import WindowSettings
from streams.stage import Out
from streams.windows.blocks import decode_table, encode_table
from streams.windows.delta import to_table
from streams.windows.rows import empty_table
from streams.windows.table import Table
from tests.scenarios.chain import SOURCES, Chain, anomalies_of, contents, new_watch
from tests.scenarios.pool_simulation import Second

SECOND_US = 1_000_000
NOON_US = 1_767_268_800 * SECOND_US
KIND = {"requests": "request", "engine": "engine", "gpu": "gpu"}


def delta(
    source: str, watermark_s: float, *records: RequestEvent | EngineSample, start: int = 0
) -> bytes:
    kind = KIND[source]
    interval_us = SECOND_US if kind != "gpu" else 10 * SECOND_US
    table = to_table(kind, records, interval_us=interval_us) if records else empty_table(kind)
    header = BlockHeader(
        kind="delta",
        shard=0,
        source=source,
        from_offset=start,
        next_offset=start + len(records),
        watermark_us=NOON_US + round(watermark_s * SECOND_US),
        interval_us=interval_us,
    )
    return encode_table(table, header, max_bytes=900_000)[0]


def control(watermark_s: float) -> bytes:
    watermark_us = NOON_US + round(watermark_s * SECOND_US)
    header = BlockHeader(kind="control", shard=0, source="changes", watermark_us=watermark_us)
    return encode_block(header)


def progress(watermark_s: float, *, but: str = "", requests: int = 0) -> list[bytes]:
    """Every source (but one) says that it has come so far; so many requests were told before."""
    start = {"requests": requests}
    return [
        *(delta(one, watermark_s, start=start.get(one, 0)) for one in KIND if one != but),
        control(watermark_s),
    ]


def log(*values: bytes | None, at_s: float = 3.0) -> list[Message]:
    at_us = NOON_US + round(at_s * SECOND_US)
    return [
        Message("partials", 0, offset, at_us, b"0", value) for offset, value in enumerate(values)
    ]


def blocks(out: list[Out], topic: str) -> list[Block]:
    return [decode_block(o.value) for o in out if o.topic == topic and isinstance(o.value, bytes)]


def arrived(at_s: float, pool: str = "codex") -> RequestEvent:
    at_us = NOON_US + round(at_s * SECOND_US)
    return RequestEvent(kind="arrived", at_us=at_us, pool=pool, tenant="acme")


def test_a_window_leaves_when_every_source_has_passed_it() -> None:
    watch = new_watch()
    waiting = log(delta("requests", 1, arrived(0.5)), delta("engine", 1), delta("gpu", 1))
    assert blocks(watch.step(waiting), "windows") == []
    (window,) = blocks(watch.step(log(control(1))), "windows")
    table = decode_table(window)
    assert (table.window_us.tolist(), table.ints["arrived"].tolist()) == ([NOON_US], [1])
    assert (window.header.watermark_us, window.header.provisional) == (NOON_US + SECOND_US, False)


def test_outputs_go_to_the_partition_of_the_shard() -> None:
    out = new_watch().step(log(*progress(1)))
    assert {(o.topic, o.key, o.partition) for o in out} == {
        ("windows", "0", 0),
        ("anomalies", "0", 0),
    }


def test_what_it_tells_says_how_far_the_log_was_read() -> None:
    watch = new_watch()
    messages = log(*progress(1.0), *progress(1.5), *progress(2.0))
    told = [one.header.next_offset for one in blocks(watch.step(messages), "anomalies")]
    assert told == [messages[len(messages) // 3 - 1].offset + 1, messages[-1].offset + 1]


def test_each_second_of_progress_is_told_on_both_topics_once() -> None:
    watch = new_watch()
    told = []
    for watermark_s in (1.0, 1.4, 1.9, 2.1, 3.0):
        out = watch.step(log(*progress(watermark_s)))
        told.append((len(blocks(out, "windows")), len(blocks(out, "anomalies"))))
    assert told == [(1, 1), (0, 0), (0, 0), (1, 1), (1, 1)]


def test_a_heartbeat_has_no_rows_and_the_watermark() -> None:
    out = new_watch().step(log(*progress(2)))
    heartbeats = [*blocks(out, "windows"), *blocks(out, "anomalies")]
    assert [block.columns for block in heartbeats] == [{}, {}]
    assert {block.header.watermark_us for block in heartbeats} == {NOON_US + 2 * SECOND_US}


def test_only_the_last_block_of_a_step_carries_the_new_watermark() -> None:
    watch = new_watch()
    watch.step(log(*progress(1)))
    engine = EngineSample(at_us=NOON_US + 1_200_000, pool="codex", replica="codex-1", up=1)
    out = watch.step(
        log(delta("requests", 2, arrived(1.5)), delta("engine", 2, engine), *progress(2))
    )
    marks = [block.header.watermark_us - NOON_US for block in blocks(out, "windows")]
    assert marks == [SECOND_US, 2 * SECOND_US]


def test_a_stalled_source_lets_windows_leave_provisionally_with_their_coverage() -> None:
    watch = new_watch()
    watch.step(log(*progress(1), at_s=2))
    for at_s in (3, 4):
        assert blocks(watch.step(log(*progress(at_s - 1, but="gpu"), at_s=at_s)), "windows") == []
    late = log(delta("requests", 4, arrived(2.5)), at_s=5)
    (window,) = blocks(
        watch.step([*late, *log(*progress(4, but="gpu", requests=1), at_s=5)]), "windows"
    )
    assert window.header.provisional
    assert 0 < window.header.coverage < 1
    assert window.header.watermark_us == NOON_US + SECOND_US


def announcement(source: str, partition: int) -> bytes:
    (out,) = announced([(source, partition)], shards=1)
    assert isinstance(out.value, bytes)
    return out.value


def test_windows_wait_for_a_source_from_its_announcement_on() -> None:
    watch = new_watch()
    watch.step(log(*progress(1)))
    assert watch.step(log(announcement("requests", 7), *progress(2))) == []


def test_a_source_silent_for_too_long_is_given_up_in_plain_sight() -> None:
    watch = new_watch(windows=WindowSettings(max_hold_s=5))
    watch.step(log(*progress(0), at_s=0))
    out = [
        each
        for at_s in range(1, 8)
        for each in watch.step(log(*progress(at_s, but="gpu"), at_s=at_s))
    ]
    (told,) = [each for each in out if each.topic == "quality"]
    assert told.key == "gpu/0/0"
    assert isinstance(told.value, Quality)
    assert (told.value.given_up, told.value.shard) == (True, 0)
    final = [block.header for block in blocks(out, "windows") if not block.header.provisional]
    assert {header.coverage for header in final} == {0.75}


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        pytest.param(b"not a block, but long enough", "magic", id="garbage"),
        pytest.param(None, "too few", id="tombstone"),
        pytest.param(
            encode_block(BlockHeader(kind="window", shard=0)),
            "delta, control, expect",
            id="other-kind",
        ),
        pytest.param(
            encode_block(
                BlockHeader(kind="control", shard=0, source="changes"), payload=b'[{"id": 1}]'
            ),
            "control block",
            id="bad-change",
        ),
        pytest.param(
            encode_block(
                BlockHeader(kind="delta", series_kind="tea", shard=0), {"window_us": np.zeros(1)}
            ),
            "series_kind",
            id="unknown-series",
        ),
    ],
)
def test_a_message_that_cannot_be_read_is_set_aside(value: bytes | None, detail: str) -> None:
    watch = new_watch()
    (letter, *rest) = watch.step(log(value, *progress(1)))
    assert isinstance(letter.value, DeadLetter)
    assert detail in letter.value.detail
    assert (letter.topic, letter.value.offset) == ("dead-letters", 0)
    assert blocks(rest, "windows")


def test_how_messages_are_batched_does_not_matter() -> None:
    chain = quiet_chain(20)
    again = new_watch()
    one_by_one = [out for message in chain.log for out in again.step([message])]
    assert contents(one_by_one) == contents(chain.told)


def test_a_repeated_block_changes_nothing() -> None:
    log = quiet_chain(5).log
    watch = new_watch()
    watch.step(log)
    before = watch.merge.counts.repeated_blocks
    rows = [m for m in log if decode_block(m.value or b"").columns]
    assert blocks(watch.step(rows), "windows") == []
    assert watch.merge.counts.repeated_blocks == before + len(rows)


def test_windows_nobody_filled_are_stepped_through_but_not_without_end() -> None:
    watch = new_watch()
    watch.step(log(delta("requests", 1, arrived(0.5)), *progress(1, but="requests")))
    stepped: list[int] = []
    panel = watch.panels["request"]
    step = panel.step
    panel.step = lambda window, at_us, grace: stepped.append(at_us) or step(window, at_us, grace)  # type: ignore[method-assign,func-returns-value]
    watch.step(log(*progress(4, requests=1)))
    assert [(at_us - NOON_US) // SECOND_US for at_us in stepped] == [1, 2, 3]
    watch.step(log(*progress(100_000, requests=1)))
    assert len(stepped) == EMPTY_WINDOWS


def test_which_windows_are_stepped_does_not_depend_on_how_the_watermark_moves() -> None:
    def stepped(*watermarks_s: float) -> list[int]:
        watch = new_watch()
        found: list[int] = []

        def step(window: Table | None, at_us: int, grace: Grace) -> list[Anomaly]:
            found.append(at_us)
            return []

        watch.panels["request"].step = step  # type: ignore[method-assign]
        first = delta("requests", 1, arrived(0.5), arrived(EMPTY_WINDOWS * 2 + 0.5))
        watch.step(log(first, *progress(1, but="requests")))
        for watermark_s in watermarks_s:
            watch.step(log(*progress(watermark_s, requests=2)))
        return found

    last = EMPTY_WINDOWS * 4
    assert stepped(last) == stepped(*range(2, last, 7), last)


def test_windows_wait_for_a_source_that_was_announced() -> None:
    watch = new_watch()
    header = BlockHeader(kind="expect", shard=0, source="requests", partition=1)
    assert blocks(watch.step(log(encode_block(header), *progress(1))), "windows") == []

    given_up = encode_block(header.but(kind="give_up"))
    assert len(blocks(watch.step(log(given_up)), "windows")) == 1


def test_many_anomalies_travel_in_parts() -> None:
    watch = new_watch()
    found = [anomaly(number) for number in range(600)]
    header = BlockHeader(kind="anomaly", shard=0)
    told = blocks(list(watch._told(found, header)), "anomalies")
    assert [(block.header.part, block.header.parts) for block in told] == [(1, 3), (2, 3), (3, 3)]
    assert [one for out in watch._told(found, header) for one in anomalies_of(out)] == found


def anomaly(number: int) -> Anomaly:
    return Anomaly(
        id=f"A-{number}",
        kind="engine",
        series_id="0" * 16,
        labels={"replica": f"codex-{number}"},
        feature="engine.up_min",
        unit="ratio",
        started_at_us=NOON_US,
        at_us=NOON_US,
        score=2.0,
        peak_score=2.0,
        actual=0.0,
        expected=1.0,
        direction="below",
        detector="limit",
    )


def quiet_chain(seconds: int) -> Chain:
    chain = Chain()
    for at_s in range(seconds):
        end_us = NOON_US + (at_s + 1) * SECOND_US
        samples = [
            EngineSample(at_us=end_us - 1, pool="codex", replica=f"codex-{n}", up=1)
            for n in range(2)
        ]
        chain.step(Second(requests=[arrived(at_s + 0.5)], engine=samples), end_us)
    assert len(SOURCES) == 4
    return chain
