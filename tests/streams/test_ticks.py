from collections.abc import Iterable

import pytest

from streams import ticks
from streams.batch import Message
from streams.codec import BlockHeader, encode_block, encode_record
from streams.errors import CorruptMessageError
from streams.progress import Place, Progress
from streams.schemas.telemetry import Change
from streams.stage import Arrival, Tick
from streams.ticks import Inputs

SECOND = 1_000_000
START = 1_000 * SECOND
"""Event times below are seconds after this."""


class Feed:
    """Messages into ``Inputs``, offsets counted per partition."""

    def __init__(
        self,
        progress: Progress | None = None,
        *,
        shards: int = 2,
        stall_us: int | None = ticks.STALL_US,
        committed: Progress | None = None,
    ) -> None:
        self.inputs = Inputs(
            ("changes", "anomalies"),
            shards,
            interval_us={"request": SECOND},
            progress=progress,
            stall_us=stall_us,
            committed=committed,
        )
        self.clock_us = START + 10 * SECOND

    def mark(self, second: float, shards: Iterable[int] = (0, 1), *, offset: int = 0) -> None:
        for shard in shards:
            at_us = START + round(second * SECOND)
            header = BlockHeader(kind="anomaly", shard=shard, watermark_us=at_us)
            self.add(Message("anomalies", shard, offset, at_us, b"", encode_block(header)))

    def change(self, offset: int, second: float) -> None:
        at_us = START + round(second * SECOND)
        change = Change(id=f"c{offset}", at_us=at_us, kind="other", summary="")
        self.add(Message("changes", 0, offset, at_us, b"", encode_record(change)))

    def add(self, message: Message) -> None:
        assert self.inputs.add(message, self.clock_us) is None

    def due(self, after_s: float = 0.0) -> list[Tick]:
        self.clock_us += round(after_s * SECOND)
        return self.inputs.due(self.clock_us)


def told(found: Iterable[Tick]) -> list[tuple[float, list[int]]]:
    """Second of each tick, and the offsets of what arrived in it."""
    return [
        ((tick.now_us - START) / SECOND, [int(a.id.split("/")[2]) for a in tick.arrivals])
        for tick in found
    ]


def begun(second: float = 0.0, stall_us: int | None = ticks.STALL_US) -> Feed:
    at_us = START + round(second * SECOND)
    return Feed(Progress(now_us=at_us, arrived_us=at_us), stall_us=stall_us)


def test_a_second_is_stepped_when_all_shards_have_passed_it() -> None:
    feed = begun()
    feed.mark(3, [0])
    assert feed.due() == []

    feed.mark(2.5, [1])
    assert told(feed.due()) == [(1, []), (2, [])]


def test_arrivals_come_with_the_first_tick_after_them_in_order_of_event_time() -> None:
    feed = begun()
    for offset, second in enumerate([1.7, 1.2, 0.0, 2.0]):
        feed.change(offset, second)
    feed.mark(2)

    assert told(feed.due()) == [(1, [2]), (2, [1, 0])]


def test_what_comes_late_is_not_lost() -> None:
    feed = begun()
    feed.mark(2)
    feed.due()

    feed.change(0, 0.5)
    feed.mark(3, offset=1)
    assert told(feed.due()) == [(3, [0])]


def test_long_after_the_last_arrival_whole_minutes_are_stepped_however_far_the_watermark_went(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ticks, "EVERY_SECOND_US", 2 * SECOND)
    at_once, bit_by_bit = begun(), begun()
    for feed in (at_once, bit_by_bit):
        feed.clock_us += 1_000 * SECOND
        feed.change(0, 50.5)
        feed.change(1, 300.0)
    found = []
    for number, second in enumerate([51, 52.5, 200, 301, 400]):
        bit_by_bit.mark(second, offset=number)
        found += told(bit_by_bit.due())
    at_once.mark(400)

    # START is 40 s past a whole minute.
    whole_minutes = {20, 80, 140, 200, 260, 320, 380}
    assert {second for second, _ in found} == {1, 2, 51, 52, 53, 301, 302, 303} | whole_minutes
    assert [each for each in found if each[1]] == [(51, [0]), (301, [1])]
    assert told(at_once.due()) == found


def test_before_the_first_arrival_there_is_nothing_to_step() -> None:
    feed = Feed()
    feed.mark(9)

    assert feed.due() == []


def test_who_waits_for_the_watermark_gets_no_ticks_by_the_clock() -> None:
    feed = begun(stall_us=None)
    feed.mark(2)
    feed.due()

    assert feed.due(100) == []


def test_it_is_ready_only_where_a_tick_follows() -> None:
    feed = begun()
    seen = []

    for second in (0.5, 1, 1.5):
        feed.mark(second, offset=round(10 * second))
        seen.append((feed.inputs.ready(feed.clock_us), len(feed.due())))

    assert seen == [(False, 0), (True, 1), (False, 0)]
    assert feed.inputs.ready(feed.clock_us + ticks.STALL_US)


def test_ticks_come_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticks, "TICKS_AT_ONCE", 2)
    feed = begun()
    feed.mark(5)

    assert [told(feed.due()) for _ in range(4)] == [
        [(1, []), (2, [])],
        [(3, []), (4, [])],
        [(5, [])],
        [],
    ]


def test_a_watermark_that_does_not_move_stalls_after_three_seconds() -> None:
    feed = begun()
    feed.mark(2)
    feed.due()

    assert feed.due(2.9) == []
    stalled = feed.due(0.2)
    assert (told(stalled), stalled[0].stalled) == ([(8, [])], True)


def test_a_stall_ticks_once_a_second_and_hands_out_what_arrives() -> None:
    feed = begun(8)
    feed.mark(8)
    feed.due()
    feed.change(0, 9.5)

    assert told(feed.due(3.0)) == [(9, [])]
    assert feed.due(0.5) == []
    assert told(feed.due(0.5)) == [(10, [0])]


def test_one_dead_shard_does_not_keep_the_others_from_being_heard() -> None:
    feed = begun(8)
    feed.mark(8)
    feed.change(0, 8.5)
    feed.due()
    feed.mark(300, [0], offset=1)

    assert feed.inputs.held_back() == {("anomalies", 0)}
    assert told(feed.due(3.0)) == [(9, [0])]


def test_a_restart_reads_again_what_was_not_consumed_and_nothing_else() -> None:
    feed = begun()
    for offset, second in enumerate([0.5, 9.0, 0.7, 8.0]):
        feed.change(offset, second)
    feed.mark(1)
    feed.due()
    progress = Progress.load(feed.inputs.progress().dump())
    assert progress.places["changes/0"] == Place(1, (2,))

    again = Feed(progress)
    for offset, second in [(1, 9.0), (2, 0.7), (3, 8.0)]:
        again.change(offset, second)
    again.mark(10, offset=1)
    assert [offsets for _, offsets in told(again.due()) if offsets] == [[3], [1]]


def test_going_through_again_hands_out_what_had_been_consumed_and_the_rest_after_that() -> None:
    first = begun()
    remembered = first.inputs.progress()
    for offset, second in enumerate([0.5, 1.5]):
        first.change(offset, second)
    first.mark(3)
    before = told(first.due())
    committed = first.inputs.progress()

    again = Feed(remembered, committed=committed)
    for offset, second in enumerate([0.5, 1.5, 1.2]):  # the last was written after all that
        again.change(offset, second)
    again.mark(4, offset=1)
    assert before == [(1, [0]), (2, [1]), (3, [])]
    assert told(again.due()) == [*before, (4, [2])]
    assert again.inputs.silent_until_us == START + 3 * SECOND


def test_a_bad_record_is_set_aside_once_however_often_it_is_gone_through() -> None:
    bad = Message("changes", 0, 0, START, b"", b"{")
    first = begun()
    remembered = first.inputs.progress()
    assert first.inputs.add(bad, first.clock_us) is not None
    first.mark(3)
    first.due()

    again = Feed(remembered, committed=first.inputs.progress())
    assert again.inputs.add(bad, again.clock_us) is None


def test_what_is_seen_early_waits_until_all_was_gone_through_again() -> None:
    first = begun()
    remembered = first.inputs.progress()
    first.mark(2)
    first.due()
    again = Feed(remembered, committed=first.inputs.progress())
    again.inputs.add_early(Arrival(at_us=START, id="early", topic="partials", early=True))
    again.mark(3, offset=1)

    assert [[one.id for one in tick.arrivals] for tick in again.due()] == [[], [], ["early"]]


def test_reading_goes_on_behind_what_was_consumed() -> None:
    feed = begun()
    feed.change(0, 0.5)
    feed.mark(1, offset=6)
    feed.due()

    assert feed.inputs.progress().starts() == {
        ("changes", 0): 1,
        ("anomalies", 0): 7,
        ("anomalies", 1): 7,
    }


def test_a_bad_record_comes_back_as_a_dead_letter_and_is_not_held() -> None:
    feed = begun()
    dead = feed.inputs.add(Message("changes", 0, 5, START, b"", b"{"), feed.clock_us)

    assert dead is not None
    assert feed.inputs.progress().places["changes/0"] == Place(6)


def test_windows_are_read_for_their_watermark_where_no_block_topic_is_an_input() -> None:
    inputs = Inputs(("rules",), 1, interval_us={})

    assert inputs.topics == ("rules", "windows")


def test_when_there_is_no_room_records_wait_and_blocks_are_read_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ticks, "MAX_HELD", 2)
    feed = begun()
    feed.mark(0)
    feed.change(0, 5)
    feed.change(1, 5)

    assert feed.inputs.held_back() == {("changes", 0)}


def test_an_event_from_the_far_future_waits_a_minute_at_most() -> None:
    feed = begun()
    at_us = START + 10_000 * SECOND
    change = Change(id="c", at_us=at_us, kind="other", summary="")
    feed.add(Message("changes", 0, 0, at_us, b"", encode_record(change)))
    feed.mark(71)

    assert told([*feed.due(), *feed.due()])[-1] == (71, [0])


def test_unreadable_progress_says_what_it_is() -> None:
    with pytest.raises(CorruptMessageError, match="offsets of the inputs"):
        Progress.load(b"[]")


def test_what_is_seen_early_comes_with_the_next_tick_and_counts_for_no_progress() -> None:
    feed = begun(8)
    feed.mark(8)
    feed.due()
    before = feed.inputs.progress()
    feed.inputs.add_early(Arrival(at_us=START, id="e", topic="partials", early=True))

    stalled = feed.due(3.0)

    assert [[a.id for a in tick.arrivals] for tick in stalled] == [["e"]]
    assert feed.inputs.progress().places == before.places


def test_what_was_seen_early_comes_too_when_windows_go_on_first() -> None:
    feed = begun(8)
    feed.inputs.add_early(Arrival(at_us=START, id="e", topic="partials", early=True))
    feed.mark(9)

    assert [[a.id for a in tick.arrivals] for tick in feed.due()] == [["e"]]


def test_a_second_of_progress_buys_no_more_than_a_second_of_patience() -> None:
    feed = begun(8)
    feed.mark(8)
    feed.due()
    feed.mark(9)
    feed.due(2.9)

    assert [[tick.stalled for tick in feed.due(after_s)] for after_s in (1.0, 0.2)] == [[], [True]]


def test_a_watermark_that_catches_up_has_all_patience_again() -> None:
    feed = begun(8)
    feed.mark(8)
    feed.due()
    feed.mark(20)
    feed.due(2.9)

    assert [[tick.stalled for tick in feed.due(after_s)] for after_s in (2.9, 0.2)] == [[], [True]]


def test_it_is_wary_a_second_before_it_stalls() -> None:
    feed = begun(8)
    feed.due()

    assert [feed.inputs.wary(feed.clock_us + s * SECOND) for s in (1, 2)] == [False, True]
