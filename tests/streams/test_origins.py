"""Who sent what, counted in ten seconds of append time."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.batch import Message, RecordBatch
from streams.clock import SECOND_US
from streams.codec import FrameHeader, encode_frame, encode_record
from streams.frames import encode_records
from streams.intake import Ingest
from streams.origin_rows import Row, rows_of
from streams.origins import MAX_ORIGINS
from streams.schemas.origins import Doubtful, Origins
from streams.schemas.system import FrameMark, Quality, SourceMark
from streams.settings import StreamSettings, TopicSettings
from streams.stage import Out
from tests.streams.samples import T0, gpu, message, request

SETTINGS = StreamSettings(topics=TopicSettings(shards=1, raw_partitions=1))


def told(out: Sequence[Out]) -> list[Origins]:
    values = [o.value for o in out if isinstance(o.value, Quality)]
    return [value.origins for value in values if value.origins]


def closed(ingest: Ingest, *messages: Message) -> dict[str, Row]:
    """Everything in one step, and the ten seconds over."""
    batch = RecordBatch(messages[0].topic, 0, 0, len(messages), messages)
    out = [*ingest.step(batch), *ingest.idle(len(messages), T0 + 60 * SECOND_US)]
    (quality,) = [o.value for o in out if isinstance(o.value, Quality) and o.value.origins]
    return dict(rows_of(quality))


def frame(producer: str, number: int, *records: Any, columns: bool = True) -> bytes:
    header = FrameHeader(
        producer=producer, boot="b", sequence=number, count=len(records), number=number
    )
    if columns:
        return encode_records(header, records)
    return encode_frame(header, b"\n".join(map(encode_record, records)))


@pytest.mark.parametrize(
    ("topic", "value", "origin"),
    [
        pytest.param("requests", request(), "local/codex", id="a-record-speaks-of-a-pool"),
        pytest.param("gpu", gpu(), "local/node-1", id="or-of-a-node"),
        pytest.param("requests", frame("p", 1, request()), "p", id="a-frame-has-a-producer"),
        pytest.param("requests", frame("p", 1, request(), columns=False), "p", id="of-lines-too"),
        pytest.param("requests", b"<html>", "", id="what-is-unreadable-is-nobodys"),
    ],
)
def test_who_sent_it(topic: str, value: Any, origin: str) -> None:
    assert list(closed(Ingest(topic, 0, SETTINGS), message(value, topic=topic))) == [origin]


def test_what_became_of_its_records() -> None:
    records = [
        message(request(at_us=T0 - 9 * SECOND_US), 0),
        message(request(at_us=T0 + 60 * SECOND_US), 1),
        message(request(queued=-1.0, kind="gauge"), 2),
        message(request(at_us=T0 - 300_000), 3),
    ]

    row = closed(Ingest("requests", 0, SETTINGS), *records)["local/codex"]

    assert (row.records, row.late, row.far_future, row.dead) == (4, 1, 1, 1)
    assert row.least_behind_us == 300_000


def test_frames_that_are_missing_or_come_again() -> None:
    numbers = [1, 2, 5, 5, 3]
    messages = [message(frame("p", n, request()), at) for at, n in enumerate(numbers)]

    row = closed(Ingest("requests", 0, SETTINGS), *messages)["p"]

    assert (row.records, row.lost_frames, row.repeated_frames) == (4, 1, 1)


def test_values_count_from_the_first_doubtful_one_on() -> None:
    seconds = [0.2, 0.3, 400.0, 0.0, 45.0, 0.4, None]
    records = [request("finished", ttft_s=value) for value in seconds]

    row = closed(Ingest("requests", 0, SETTINGS), message(frame("p", 1, *records)))["p"]

    assert row.doubtful == (
        Doubtful(
            origin=0, field="ttft_s", values=3, doubtful=2, implausible=1, least=45.0, most=400.0
        ),
    )


def test_too_many_senders_count_together() -> None:
    records = [request(pool=f"pool-{n:04d}") for n in range(MAX_ORIGINS + 7)]

    rows = closed(Ingest("requests", 0, SETTINGS), *map(message, records, range(len(records))))

    assert len(rows) == MAX_ORIGINS + 1
    assert rows["other"].records == 7


def history(seed: int) -> list[Message]:
    """Half a minute of everything that can be wrong, in the order of its append times."""
    rng, messages = np.random.default_rng(seed), []
    for offset in range(60):
        append_us = T0 + offset * 500_000 + int(rng.integers(0, 400_000))
        at_us = append_us - int(rng.choice([-20e6, 4e5, 1e5, 5e6]))
        ttft_s = float(rng.choice([0.2, 40.0, 800.0, 0.0]))
        records = [request("finished", at_us, ttft_s=ttft_s, pool=str(rng.choice(["a", "b"])))]
        producer, number = str(rng.choice(["p", "q"])), 1 + offset // 2 + int(rng.integers(0, 3))
        value = rng.choice(["json", "frame", "bad"], p=[0.5, 0.4, 0.1])
        values: dict[str, Any] = {
            "json": records[0],
            "frame": frame(producer, number, *records),
            "bad": b"?",
        }
        messages.append(message(values[str(value)], offset, append_us))
    return messages


def in_parts(messages: Sequence[Message], cuts: Sequence[int]) -> Iterator[Origins]:
    """Each part by another INGEST that takes up what the one before has stored."""
    stored: dict[str, Any] = {}
    edges = [0, *sorted(set(cuts)), len(messages)]
    for start, following in pairwise(edges):
        ingest = Ingest("requests", 0, SETTINGS)
        for mark in stored.values():
            ingest.remember(mark) if isinstance(mark, FrameMark) else ingest.resume(mark)
        part = messages[start:following]
        out = ingest.step(RecordBatch("requests", 0, start, following, part))
        for one in out:
            if isinstance(one.value, FrameMark | SourceMark):
                stored.pop(one.key, None)
                stored[one.key] = one.value
        yield from told(out)
    yield from told(ingest.idle(len(messages), T0 + 100 * SECOND_US))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50), st.lists(st.integers(1, 59), max_size=12))
def test_the_log_alone_decides_what_is_told(seed: int, cuts: list[int]) -> None:
    messages = history(seed)

    assert list(in_parts(messages, cuts)) == list(in_parts(messages, []))
