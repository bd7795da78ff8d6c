"""What a new DRIVE learns from the records of the one before."""

import msgspec

from autoscaler.past import Past
from streams.batch import Message
from streams.codec import encode_record
from streams.schemas.scaling import PoolStatus, ReplicaState, ReplicaStatus
from streams.schemas.telemetry import Change

POOL = PoolStatus(
    pool="codex", service="codex", model="tiny", at_us=1, desired=3, ready=2, max_replicas=3
)


def message(key: str, record: msgspec.Struct | bytes | None) -> Message:
    value = encode_record(record) if isinstance(record, msgspec.Struct) else record
    return Message("pools", 0, 0, 0, key.encode(), value, ())


def replica(number: int, state: ReplicaState) -> Message:
    status = ReplicaStatus(
        pool="codex", replica=f"codex-{number}", state=state, since_us=1, at_us=1
    )
    return message(f"local/codex/codex-{number}", status)


def past(*messages: Message) -> Past:
    past = Past()
    past.feed(messages)
    return past


def test_without_a_past_a_pool_begins_at_one() -> None:
    assert (past().size("local/codex"), past().next_number("local/codex")) == (None, 1)


def test_the_size_goes_on_where_it_was() -> None:
    assert past(message("local/codex", POOL)).size("local/codex") == 3


def test_names_go_on_even_after_a_tombstone() -> None:
    gone = message("local/codex/codex-7", None)

    assert past(replica(2, "ready"), gone).next_number("local/codex") == 8


def test_replicas_left_behind_are_declared_stopped_and_lost() -> None:
    left = past(replica(1, "stopped"), replica(2, "ready"), replica(3, "starting"))
    said = [out.value for out in left.farewells("local/codex", 9)]

    assert [(s.replica, s.state) for s in said if isinstance(s, ReplicaStatus)] == [
        ("codex-2", "stopped"),
        ("codex-3", "stopped"),
    ]
    assert [change.summary for change in said if isinstance(change, Change)] == [
        "codex-2 ended with the process that ran it",
        "codex-3 ended with the process that ran it",
    ]


def test_a_record_that_cannot_be_read_is_skipped() -> None:
    left = past(message("local/codex/codex-9", b"{"), replica(2, "ready"))

    assert next(iter(left.farewells("local/codex", 9))).key == "local/codex/codex-2"
