import msgspec
import numpy as np
import pytest

from streams.arrivals import Read, Watermark, read
from streams.batch import Message
from streams.codec import BlockHeader, encode_block, encode_record
from streams.schemas.anomalies import Anomaly
from streams.schemas.base import Record
from streams.schemas.incidents import Command
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.system import Quality
from streams.windows.blocks import encode_table
from streams.windows.table import Table

SECOND = 1_000_000
MADE_US = 3 * SECOND
INTERVALS = {"request": SECOND, "engine": SECOND, "gpu": 10 * SECOND}


def arrive(topic: str, value: bytes | None, *, key: str = "k", stamp_us: int = 9 * SECOND) -> Read:
    message = Message(topic, 1, 42, stamp_us, key.encode(), value)
    return read(message, interval_us=INTERVALS, held_us=8 * SECOND)


def anomaly(**but: object) -> Anomaly:
    usual = {
        "id": "a1", "kind": "engine", "series_id": "0", "labels": {}, "feature": "engine.up_min",
        "unit": "1", "started_at_us": 0, "at_us": 4 * SECOND, "score": 2.0, "peak_score": 2.0,
        "actual": 0.0, "expected": 1.0, "direction": "below", "detector": "limit",
    }  # fmt: skip
    return msgspec.convert(usual | but, Anomaly)


def anomalies(*found: Anomaly, **header: object) -> bytes:
    usual = {"kind": "anomaly", "shard": 1, "watermark_us": 5 * SECOND}
    return encode_block(
        msgspec.convert(usual | header, BlockHeader), payload=msgspec.json.encode(found)
    )


def windows(start_us: int, **header: object) -> list[bytes]:
    table = Table(
        kind="engine",
        window_us=np.array([start_us]),
        series=np.array([7]),
        ints={"prompt_tokens": np.array([3])},
        labels={7: {"cluster": "local", "pool": "p", "replica": "r"}},
    )
    usual = {"kind": "window", "shard": 1, "watermark_us": start_us + SECOND}
    return encode_table(table, msgspec.convert(usual | header, BlockHeader), max_bytes=100_000)


def test_an_anomaly_counts_from_the_end_of_its_window() -> None:
    found = arrive("anomalies", anomalies(anomaly(), anomaly(id="a2", kind="gpu")))

    assert [(a.at_us, a.key) for a in found.arrivals] == [
        (5 * SECOND - 1, "a1"),
        (14 * SECOND - 1, "a2"),
    ]


def test_an_end_counts_from_the_window_after_which_it_was_said() -> None:
    end = anomaly(ended_at_us=5 * SECOND, told_at_us=8 * SECOND)

    assert [a.at_us for a in arrive("anomalies", anomalies(end)).arrivals] == [8 * SECOND - 1]


def test_a_record_that_came_late_counts_from_when_its_tick_may_have_passed() -> None:
    command = Command(id="c", at_us=1, kind="hold", actor="me")
    (arrival,) = arrive("commands", encode_record(command), stamp_us=9 * SECOND).arrivals

    assert arrival.at_us == SECOND


def test_windows_count_from_the_end_of_the_newest_of_them() -> None:
    (value,) = windows(4 * SECOND)
    (arrival,) = arrive("windows", value).arrivals

    assert arrival.at_us == 5 * SECOND - 1
    assert isinstance(arrival.record, Table)


def test_a_block_tells_the_watermark_of_its_shard() -> None:
    assert arrive("anomalies", anomalies()) == Read((), Watermark("anomalies", 1, 5 * SECOND))


def test_the_watermark_counts_with_the_last_part_only() -> None:
    assert arrive("anomalies", anomalies(anomaly(), part=1, parts=2)).watermark is None


def test_provisional_windows_are_skipped() -> None:
    (value,) = windows(4 * SECOND, provisional=True)

    assert arrive("windows", value) == Read()


@pytest.mark.parametrize(
    ("key", "record"),
    [
        pytest.param(
            "local/codex",
            PoolStatus(pool="codex", service="s", model="m", at_us=MADE_US, desired=1, ready=1),
            id="one-slash-is-a-pool",
        ),
        pytest.param(
            "local/codex/codex-1",
            ReplicaStatus(
                pool="codex", replica="codex-1", state="ready", since_us=1, at_us=MADE_US
            ),
            id="two-slashes-are-a-replica",
        ),
    ],
)
def test_pools_carry_two_kinds_of_record(key: str, record: Record) -> None:
    (arrival,) = arrive("pools", encode_record(record), key=key).arrivals

    assert (arrival.at_us, arrival.record) == (MADE_US, record)


def test_a_fast_clock_does_not_hold_a_record_back() -> None:
    command = Command(id="c", at_us=99 * SECOND, kind="hold", actor="me")
    (arrival,) = arrive("commands", encode_record(command), stamp_us=9 * SECOND).arrivals

    assert arrival.at_us == 9 * SECOND


def told_of_senders(**but: object) -> bytes:
    usual = {"at_us": 0, "source": "requests", "partition": 0, "records": 0, "accepted": 0}
    return encode_record(msgspec.convert(usual | but, Quality))


@pytest.mark.parametrize("stamp_us", [11 * SECOND, 99 * SECOND])
def test_what_senders_did_counts_from_the_end_of_their_ten_seconds(stamp_us: int) -> None:
    value = told_of_senders(origins={"from_us": 0})

    assert arrive("quality", value, stamp_us=stamp_us).arrivals[0].at_us == 10 * SECOND - 1


@pytest.mark.parametrize(
    "but",
    [
        pytest.param({}, id="sums-of-a-partition"),
        pytest.param({"origins": {"from_us": 0}, "site": "paris"}, id="senders-of-a-site"),
    ],
)
def test_quality_that_is_not_of_our_own_senders_is_skipped(but: dict[str, object]) -> None:
    assert arrive("quality", told_of_senders(**but)) == Read()


def test_a_tombstone_arrives_without_a_record() -> None:
    (arrival,) = arrive("rules", None, key="r1").arrivals

    assert (arrival.at_us, arrival.key, arrival.record) == (9 * SECOND, "r1", None)


@pytest.mark.parametrize(
    ("topic", "value", "reason"),
    [
        pytest.param("commands", b"{not json", "wrong_type", id="broken-json"),
        pytest.param("commands", b'{"id": 5}', "wrong_type", id="wrong-type"),
        pytest.param("anomalies", b"TGB1 but no block", "corrupt_frame", id="broken-block"),
        pytest.param("windows", b"", "corrupt_frame", id="empty-block"),
        pytest.param(
            "anomalies",
            encode_block(BlockHeader(kind="anomaly", shard=0), payload=b'[{"id": 1}]'),
            "corrupt_frame",
            id="anomaly-without-its-fields",
        ),
    ],
)
def test_what_cannot_be_read_becomes_a_dead_letter(topic: str, value: bytes, reason: str) -> None:
    found = arrive(topic, value)

    assert found.dead is not None
    assert (found.dead.reason, found.dead.offset, found.arrivals) == (reason, 42, ())
