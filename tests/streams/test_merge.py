import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.clock import SECOND_US
from streams.errors import InvalidParameterError, SnapshotError
from streams.packing import pack, unpack
from streams.schemas.telemetry import EngineSample
from streams.windows.delta import to_table
from streams.windows.merge import Closed, Limits, MergeState, ShardMerge, merge_tables
from streams.windows.table import Table
from tests.streams.samples import T0, assert_same, delta, engine, engines, gpu, is_sorted, rows

A, B = ("engine", 0), ("engine", 1)
LENGTHS = {"request": SECOND_US, "engine": SECOND_US, "gpu": 10 * SECOND_US}

SAMPLES = st.builds(
    engine,
    replica=st.sampled_from(["a", "b", "c"]),
    at_us=st.integers(T0, T0 + 3 * SECOND_US),
    up=st.sampled_from([None, 0.0, 1.0]),
    ttft_s=st.sampled_from([None, 0.1, 0.2]),
    output_tokens=st.integers(0, 5),
)


def shard(*sources: tuple[str, int], max_series: int = 100, **limits: int) -> ShardMerge:
    return ShardMerge(0, sources or (A,), LENGTHS, max_series, limits=Limits(**limits))


def table_of(records: list[EngineSample]) -> Table:
    return to_table("engine", records, interval_us=SECOND_US)


def ends(closed: Closed) -> list[int]:
    return [(int(t.window_us[0]) - T0) // SECOND_US for t in closed.tables]


def pools(table: Table) -> dict[str, int]:
    """Row counts of `up` by replica name."""
    names = [table.labels[int(key)]["replica"] for key in table.series]
    return dict(zip(names, table.ints["up.n"].tolist(), strict=True))


@given(st.lists(SAMPLES, max_size=20), st.integers(1, 4), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_merging_is_exact_in_any_order(
    samples: list[EngineSample], parts: int, rng: random.Random
) -> None:
    tables = [table_of(samples[n::parts]) for n in range(parts)]
    rng.shuffle(tables)

    merged = merge_tables(tables)

    assert_same([merged], [table_of(samples)])
    assert is_sorted(merged)


def test_tables_of_two_kinds_do_not_merge() -> None:
    with pytest.raises(InvalidParameterError, match="of one kind"):
        merge_tables([engines("a"), to_table("gpu", [gpu()], interval_us=SECOND_US)])


def test_of_two_sets_of_labels_the_greater_stays_in_either_order() -> None:
    tables = [to_table("gpu", [gpu(pool=pool)], interval_us=SECOND_US) for pool in ("a", "b")]

    found = [merge_tables(order).labels for order in (tables, tables[::-1])]

    assert [next(iter(labels.values()))["pool"] for labels in found] == ["b", "b"]


def test_a_window_is_final_when_every_source_has_passed_its_end() -> None:
    merge = shard(A, B)

    closed = [
        merge.add(delta(A, (0, 5), T0 + 2 * SECOND_US), engines("a"), T0),
        merge.add(delta(B, (0, 3), T0 + SECOND_US - 1), engines("b"), T0),
        merge.add(delta(B, (3, 4), T0 + SECOND_US), engines("b"), T0),
    ]

    assert [ends(each) for each in closed] == [[], [], [0]]
    assert pools(closed[2].tables[0]) == {"a": 1, "b": 2}
    assert [each.watermark_us for each in closed] == [0, T0 + SECOND_US - 1, T0 + SECOND_US]


def test_windows_of_all_kinds_leave_in_order_of_their_ends() -> None:
    merge = shard(A, ("gpu", 0))
    merge.add(
        delta(("gpu", 0), (0, 1), 0), to_table("gpu", [gpu()], interval_us=10 * SECOND_US), T0
    )
    for second in (11, 3):
        at = T0 + second * SECOND_US
        merge.add(delta(A, (14 - second, 15 - second), 0), engines("a", at_us=at), T0)
    merge.add(delta(("gpu", 0), (1, 1), T0 + 20 * SECOND_US), None, T0)

    closed = merge.add(delta(A, (12, 12), T0 + 20 * SECOND_US), None, T0)

    assert [(t.kind, len(t)) for t in closed.tables] == [("engine", 1), ("gpu", 1), ("engine", 1)]
    assert ends(closed) == [3, 0, 11]


def test_a_repeated_block_is_dropped_and_counted() -> None:
    merge = shard()
    merge.add(delta(A, (0, 5), T0), engines("a"), T0)

    again = merge.add(delta(A, (0, 5), T0 + SECOND_US), engines("a"), T0)
    closed = merge.add(delta(A, (5, 5), T0 + SECOND_US), None, T0)

    assert not again.fresh
    assert merge.counts.repeated_blocks == 1
    assert pools(closed.tables[0]) == {"a": 1}


def test_a_gap_in_the_offsets_is_counted_as_lost() -> None:
    merge = shard()
    merge.add(delta(A, (0, 5), T0), None, T0)

    merge.add(delta(A, (8, 9), T0), None, T0)

    assert merge.counts.lost_records == 3


def test_parts_count_together_with_the_last() -> None:
    merge = shard()

    first = merge.add(delta(A, (0, 5), T0 + SECOND_US, parts=2), engines("a"), T0)
    last = merge.add(delta(A, (0, 5), T0 + SECOND_US, part=2, parts=2), engines("b"), T0)

    assert (ends(first), ends(last)) == ([], [0])
    assert pools(last.tables[0]) == {"a": 1, "b": 1}


def test_a_block_begun_again_after_a_crash_counts_once() -> None:
    merge = shard()
    merge.add(delta(A, (0, 5), T0, parts=2), engines("a"), T0)
    merge.add(delta(A, (0, 6), T0, parts=2), engines("a"), T0)

    closed = merge.add(delta(A, (0, 6), T0 + SECOND_US, part=2, parts=2), engines("b"), T0)

    assert pools(closed.tables[0]) == {"a": 1, "b": 1}
    assert merge.counts.broken_blocks == 0


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"part": 2, "parts": 3}, id="the-first-part-is-missing"),
        pytest.param({"part": 1, "parts": 10_000}, id="too-many-parts"),
    ],
)
def test_a_broken_block_counts_nothing_and_moves_nothing(header: dict[str, int]) -> None:
    merge = shard()

    closed = merge.add(delta(A, (0, 5), T0 + SECOND_US, **header), engines("a"), T0)

    assert (closed.fresh, closed.watermark_us, merge.counts.broken_blocks) == (False, 0, 1)
    assert merge.open_windows()["engine"] == 0


def test_the_watermark_never_goes_back() -> None:
    merge = shard()
    merge.add(delta(A, (0, 1), T0 + 9), None, T0)

    assert merge.add(delta(A, (1, 2), T0 + 5), None, T0).watermark_us == T0 + 9


def test_rows_for_a_closed_window_are_counted_and_dropped() -> None:
    merge = shard()
    merge.add(delta(A, (0, 1), T0 + SECOND_US), engines("a"), T0)

    closed = merge.add(delta(A, (1, 2), T0 + 9 * SECOND_US), engines("a", "b"), T0)

    assert (closed.tables, merge.counts.late_after_close) == ((), 2)


def test_many_small_blocks_of_a_window_are_held_as_few() -> None:
    merge = shard()
    for n in range(100):
        merge.add(delta(A, (n, n + 1), T0), engines("a"), T0)

    assert merge._open["engine"].rows() < 40
    closed = merge.add(delta(A, (100, 100), T0 + SECOND_US), None, T0)
    assert pools(closed.tables[0]) == {"a": 100}


def test_a_source_that_appears_is_waited_for_and_one_of_controls_is_not() -> None:
    merge = shard(A)
    merge.add(delta(("changes", 0), (0, 1), 5, kind="control"), None, T0)
    merge.add(delta(B, (0, 1), 7), None, T0)

    assert merge.add(delta(A, (0, 1), T0), None, T0).watermark_us == 7


def test_a_source_given_up_holds_nothing_back() -> None:
    merge = shard(A, B)
    merge.add(delta(A, (0, 1), T0 + SECOND_US), engines("a"), T0)

    closed = merge.give_up(B)

    assert (ends(closed), closed.watermark_us) == ([0], T0 + SECOND_US)


def test_a_source_given_up_twice_goes_on_where_it_was() -> None:
    merge = shard(A, B)
    merge.add(delta(B, (0, 3), T0), None, T0)
    for _ in range(2):
        merge.give_up(B)

    merge.add(delta(B, (0, 3), T0), engines("b"), T0)

    assert merge.counts.repeated_blocks == 1


def test_an_announced_source_holds_windows_back_until_it_has_passed_them() -> None:
    merge = shard(A)
    merge.expect(B)

    assert not merge.add(delta(A, (0, 1), T0 + SECOND_US), engines("a"), T0).tables
    closed = merge.add(delta(B, (0, 1), T0 + SECOND_US), engines("b"), T0)
    assert pools(closed.tables[0]) == {"a": 1, "b": 1}


def test_announcing_a_source_twice_changes_nothing() -> None:
    merge = shard(A, B)
    merge.add(delta(A, (0, 1), T0 + SECOND_US), engines("a"), T0)
    merge.add(delta(B, (0, 1), T0), None, T0)

    merge.expect(B)

    assert merge.expect(B).watermark_us == T0


def test_a_row_of_an_announced_source_for_a_closed_window_is_our_mistake() -> None:
    merge = shard(A)
    merge.add(delta(A, (0, 1), T0 + SECOND_US), engines("a"), T0)
    merge.expect(B)

    merge.add(delta(B, (0, 1), T0), engines("b"), T0)

    assert (merge.counts.late_after_close, merge.counts.missed_rows) == (1, 0)


def test_rows_that_a_source_wrote_before_anybody_knew_of_it_are_missed() -> None:
    merge = shard(A)
    merge.add(delta(A, (0, 1), T0 + SECOND_US), engines("a"), T0)

    closed = merge.add(delta(B, (0, 2), T0), engines("b", "c"), T0)

    assert (closed.missed_rows, merge.counts.missed_rows) == (2, 2)
    assert merge.counts.late_after_close == 0


class TestSilence:
    """A speaks once a second; B is silent from the first second on."""

    HOLD_S = 30

    def merge(self) -> ShardMerge:
        return ShardMerge(0, (A, B), LENGTHS, 100, max_hold_us=self.HOLD_S * SECOND_US)

    def speak(
        self, merge: ShardMerge, source: tuple[str, int], second: int, name: str = ""
    ) -> Closed:
        at = T0 + second * SECOND_US
        table = engines(name, at_us=at) if name else None
        block = delta(source, (second, second + 1), at)
        return merge.add(block, table, at)

    def silent_until(self, merge: ShardMerge, second: int) -> list[Closed]:
        self.speak(merge, B, 0)
        return [self.speak(merge, A, n, "a") for n in range(second + 1)]

    def test_it_is_given_up_when_it_has_been_silent_for_too_long(self) -> None:
        closed = self.silent_until(self.merge(), self.HOLD_S + 1)

        told = [n for n, each in enumerate(closed) if each.sources]
        assert told == [self.HOLD_S + 1]
        assert closed[-1].sources == ((B, False),)
        assert ends(closed[-1]) == list(range(self.HOLD_S + 1))

    def test_windows_without_it_say_so(self) -> None:
        closed = self.silent_until(self.merge(), self.HOLD_S + 1)

        assert [each.coverage for each in closed[-2:]] == [1.0, 0.5]

    def test_who_was_never_heard_is_given_up_too(self) -> None:
        merge = self.merge()

        closed = [self.speak(merge, A, n) for n in range(self.HOLD_S + 2)]

        assert closed[-1].sources == ((B, False),)

    def test_an_outage_of_everything_is_nobodys_silence(self) -> None:
        merge = self.merge()
        self.silent_until(merge, 5)

        closed = [self.speak(merge, A, 3_600), self.speak(merge, B, 3_601)]

        assert [each.sources for each in closed] == [(), ()]

    def test_it_is_taken_back_when_it_speaks_and_what_it_missed_is_counted(self) -> None:
        merge = self.merge()
        self.silent_until(merge, self.HOLD_S + 1)

        back = merge.add(delta(B, (1, 2), T0), engines("b"), T0 + 60 * SECOND_US)

        assert (back.sources, back.missed_rows, back.coverage) == (((B, True),), 1, 1.0)
        assert merge.counts.late_after_close == 0

    def test_windows_wait_for_it_again(self) -> None:
        merge = self.merge()
        self.silent_until(merge, self.HOLD_S + 1)
        self.speak(merge, B, self.HOLD_S + 2)

        closed = self.speak(merge, A, self.HOLD_S + 9, "a")

        assert closed.watermark_us == T0 + (self.HOLD_S + 2) * SECOND_US

    def test_the_block_that_ends_the_silence_is_not_the_end_of_the_source(self) -> None:
        merge = self.merge()
        self.silent_until(merge, self.HOLD_S)

        assert self.speak(merge, B, self.HOLD_S + 1).sources == ()

    def test_one_of_controls_is_taken_back_as_well(self) -> None:
        changes = ("changes", 0)
        merge = shard(A, changes)
        merge.give_up(changes)

        back = merge.add(delta(changes, (0, 1), T0, kind="control"), None, T0)

        assert back.sources == ((changes, True),)


def taken_up(merge: ShardMerge, *sources: tuple[str, int]) -> ShardMerge:
    """What a new machine for these sources makes of the state of another."""
    other = shard(*sources)
    other.state = unpack(pack(merge.state), MergeState)
    return other


def test_a_source_announced_before_the_snapshot_is_awaited() -> None:
    merge = shard(A)
    merge.add(delta(A, (0, 1), T0), engines("a"), T0)
    merge.expect(B)

    merge = taken_up(merge, A)

    assert not merge.add(delta(A, (1, 2), T0 + SECOND_US), None, T0).tables


def test_a_source_given_up_before_the_snapshot_stays_so() -> None:
    merge = shard(A, B)
    merge.add(delta(A, (0, 1), T0), engines("a"), T0)
    merge.give_up(B)

    merge = taken_up(merge, A, B)

    assert ends(merge.add(delta(A, (1, 2), T0 + SECOND_US), None, T0)) == [0]


def test_a_block_in_parts_may_be_cut_by_a_snapshot() -> None:
    merge = shard()
    merge.add(delta(A, (0, 5), T0 + SECOND_US, parts=2), engines("a"), T0)

    merge = taken_up(merge, A)

    last = merge.add(delta(A, (0, 5), T0 + SECOND_US, part=2, parts=2), engines("b"), T0)
    assert pools(last.tables[0]) == {"a": 1, "b": 1}
    assert merge.counts.blocks == 2


def test_the_state_of_other_kinds_of_series_is_refused() -> None:
    with pytest.raises(SnapshotError, match="engine"):
        ShardMerge(0, (A,), {"gpu": SECOND_US}, 10).state = shard().state


def test_a_table_of_an_unknown_kind_is_refused() -> None:
    merge = ShardMerge(0, (A,), {"gpu": SECOND_US}, 10)

    with pytest.raises(InvalidParameterError, match=r"table\.kind must be one of"):
        merge.add(delta(A, (0, 1), 0), engines("a"), T0)


class TestProvisional:
    STALL_US = 2 * SECOND_US

    def held(self) -> ShardMerge:
        """B has been silent since the beginning, A has passed two windows."""
        merge = shard(A, B)
        merge.add(delta(B, (0, 1), T0), engines("b"), T0)
        at = T0 + 3 * SECOND_US
        merge.add(delta(A, (0, 1), T0 + 2 * SECOND_US), engines("a", "c"), at)
        return merge

    def test_a_stalled_source_lets_windows_leave_with_their_coverage(self) -> None:
        found = self.held().provisional(T0 + 3 * SECOND_US, self.STALL_US)

        assert [each.coverage for each in found] == [0.5]
        assert pools(found[0].table) == {"a": 1, "b": 1, "c": 1}

    def test_each_leaves_once(self) -> None:
        merge = self.held()
        merge.provisional(T0 + 3 * SECOND_US, self.STALL_US)

        assert merge.provisional(T0 + 4 * SECOND_US, self.STALL_US) == ()

    def test_each_is_counted_and_the_share_that_still_speaks_is_told(self) -> None:
        merge = self.held()
        merge.provisional(T0 + 3 * SECOND_US, self.STALL_US)

        assert merge.counts.provisional_windows == 1
        assert merge.flowing_ratio(T0 + 3 * SECOND_US, self.STALL_US) == 0.5
        assert merge.flowing_ratio(T0 + SECOND_US, self.STALL_US) == 1.0

    def test_the_final_window_follows_whole(self) -> None:
        merge = self.held()
        merge.provisional(T0 + 3 * SECOND_US, self.STALL_US)

        closed = merge.add(delta(B, (1, 2), T0 + SECOND_US), engines("b"), T0 + 9 * SECOND_US)

        assert pools(closed.tables[0]) == {"a": 1, "b": 2, "c": 1}

    def test_not_before_the_patience_is_over(self) -> None:
        assert self.held().provisional(T0 + 2 * SECOND_US, self.STALL_US) == ()

    def test_nor_while_all_are_silent(self) -> None:
        assert self.held().provisional(T0 + 30 * SECOND_US, self.STALL_US) == ()

    def test_a_source_never_heard_gets_the_same_patience(self) -> None:
        merge = shard(A, B)
        found: list[Any] = []
        for second in range(4):
            at = T0 + second * SECOND_US
            merge.add(delta(A, (second, second + 1), at), engines("a", at_us=at), at)
            found.append(len(merge.provisional(at, self.STALL_US)))

        assert found == [0, 0, 0, 3]


class TestTooManySeries:
    def test_the_rest_merges_into_other_of_its_pool(self) -> None:
        merge = shard(max_series=2)
        table = engines("a", "b", "c", "d")

        closed = merge.add(delta(A, (0, 1), T0 + SECOND_US), table, T0)

        found = pools(closed.tables[0])
        assert found["other"] == 2
        assert len(found) == 3
        assert merge.counts.folded_series == 2

    def test_who_was_first_stays_in(self) -> None:
        merge = shard(max_series=1)
        first = merge.add(delta(A, (0, 1), T0 + SECOND_US), engines("z"), T0)

        at = T0 + SECOND_US
        second = merge.add(
            delta(A, (1, 2), T0 + 2 * SECOND_US), engines("a", "b", "z", at_us=at), T0
        )

        assert pools(first.tables[0]) == {"z": 1}
        assert pools(second.tables[0]) == {"z": 1, "other": 2}

    def test_who_is_gone_for_long_makes_room(self) -> None:
        merge = shard(max_series=1)
        merge.add(delta(A, (0, 1), T0 + SECOND_US), engines("z"), T0)

        at = T0 + 901 * SECOND_US
        later = merge.add(delta(A, (1, 2), at + SECOND_US), engines("a", at_us=at), T0)

        assert pools(later.tables[0]) == {"a": 1}

    def test_pools_of_which_nobody_is_in_share_one_other(self) -> None:
        merge = shard(max_series=1)
        strangers = [engine(pool=f"p{n}", up=1.0) for n in range(5)]

        closed = merge.add(delta(A, (0, 1), T0 + SECOND_US), table_of(strangers), T0)

        labels = [key for _, _, key in rows(closed.tables)]
        assert sum("('pool', 'other')" in each for each in labels) == 1
        assert len(labels) == 2

    def test_sums_stay_whole(self) -> None:
        merge = shard(max_series=1)
        samples = [engine(f"r{n}", output_tokens=n, ttft_s=n / 10) for n in range(6)]

        table = merge.add(delta(A, (0, 1), T0 + SECOND_US), table_of(samples), T0).tables[0]

        assert table.ints["output_tokens"].sum() == 15
        assert table.sparse["ttft_s"].count.sum() == 6


class TestHeldTooMuch:
    def test_the_oldest_window_closes_when_there_are_too_many(self) -> None:
        merge = shard(A, B, windows=2)
        closed = [
            merge.add(delta(A, (n, n + 1), 0), engines("a", at_us=T0 + n * SECOND_US), T0)
            for n in range(4)
        ]

        assert [ends(each) for each in closed] == [[], [], [0], [1]]
        assert merge.counts.forced_windows == 2

    def test_what_comes_for_it_afterwards_is_late(self) -> None:
        merge = shard(A, B, windows=1)
        for n in range(2):
            merge.add(delta(A, (n, n + 1), 0), engines("a", at_us=T0 + n * SECOND_US), T0)

        merge.add(delta(B, (0, 1), T0 + 5 * SECOND_US), engines("b"), T0)

        assert merge.counts.late_after_close == 1

    def test_a_flood_of_series_folds_before_it_closes_anything(self) -> None:
        merge = shard(max_series=3, rows=50)

        for n in range(5):
            flood = engines(*(f"{n}-{m}" for m in range(20)))
            merge.add(delta(A, (n, n + 1), 0), flood, T0)
        closed = merge.add(delta(A, (5, 5), T0 + SECOND_US), None, T0)

        assert merge.counts.forced_windows == 0
        assert closed.tables[0].ints["up.n"].sum() == 100


@given(st.lists(SAMPLES, max_size=20), st.lists(st.integers(0, 20), max_size=4))
@settings(max_examples=40, deadline=None)
def test_windows_do_not_depend_on_the_cut_into_blocks(
    samples: list[EngineSample], cuts: list[int]
) -> None:
    def through(edges: list[int]) -> list[Table]:
        merge = shard(max_series=2)
        closed: list[Table] = []
        for start, end in pairwise(edges):
            # The watermark trails what has been read by three seconds: nothing is late.
            mark = T0 - 3 * SECOND_US
            block = delta(A, (start, end), mark)
            closed += merge.add(block, table_of(samples[start:end]), T0).tables
        last = delta(A, (len(samples), len(samples)), T0 + 9 * SECOND_US)
        return closed + list(merge.add(last, None, T0).tables)

    inside = sorted({cut for cut in cuts if cut < len(samples)} | {0})

    assert_same(through([*inside, len(samples)]), through([0, len(samples)]))
