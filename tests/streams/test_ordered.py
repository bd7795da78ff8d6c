"""One order for the messages of many partitions, however they are read."""

from hypothesis import given
from hypothesis import strategies as st

from streams.batch import Message
from streams.ordered import CROWD, Ordering

A, B = ("requests", 0), ("requests", 1)


def message(source: tuple[str, int], offset: int, at_us: int) -> Message:
    return Message(*source, offset, at_us, None, b"")


def places(messages: list[Message]) -> list[tuple[int, int]]:
    return [(one.partition, one.offset) for one in messages]


def test_nothing_is_given_out_while_an_open_source_has_nothing() -> None:
    ordering = Ordering([A, B])
    ordering.add(message(A, 0, 5))
    assert list(ordering.ready()) == []
    ordering.close(B)
    assert places(list(ordering.ready())) == [(0, 0)]


def test_where_stamps_go_back_the_order_of_the_partition_stays() -> None:
    ordering = Ordering([A, B])
    for one in (message(A, 0, 9), message(A, 1, 2), message(B, 0, 5)):
        ordering.add(one)
    ordering.close(A)
    ordering.close(B)
    assert places(list(ordering.ready())) == [(1, 0), (0, 0), (0, 1)]


def test_a_partition_far_ahead_is_named() -> None:
    ordering = Ordering([A, B])
    for offset in range(CROWD):
        ordering.add(message(A, offset, offset))
    assert ordering.crowded() == {A}


STAMPS = st.lists(st.integers(1, 20), max_size=12)


@given(a=STAMPS, b=STAMPS, reads=st.lists(st.booleans(), max_size=40))
def test_how_partitions_are_read_does_not_matter(
    a: list[int], b: list[int], reads: list[bool]
) -> None:
    waiting = {
        source: [message(source, offset, at_us) for offset, at_us in enumerate(stamps)]
        for source, stamps in ((A, a), (B, b))
    }
    in_one_go = Ordering([])
    for one in (*waiting[A], *waiting[B]):
        in_one_go.add(one)
    ordering = Ordering([A, B])
    found: list[Message] = []
    for source in (*(A if read else B for read in reads), *[A] * len(a), *[B] * len(b)):
        if waiting[source]:
            ordering.add(waiting[source].pop(0))
        found += ordering.ready()
    ordering.close(A)
    ordering.close(B)
    assert [*found, *ordering.ready()] == list(in_one_go.ready())
