"""Senders with one flaw each through INGEST into the view: each is named for it, good ones never.

All messages of a second lie in one partition, as they come, with append times of the broker's.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest

from autoscaler.api.view import View
from streams.batch import Message, RecordBatch
from streams.clock import SECOND_US
from streams.codec import FrameHeader, decode_record, encode_record
from streams.frames import encode_records
from streams.intake import Ingest
from streams.schemas.incidents import Incident
from streams.schemas.system import Quality
from streams.settings import StreamSettings, TopicSettings
from tests.streams.samples import T0, gpu, request
from tidegate.replay.chain import Chain
from tidegate.settings import Settings

NAMED_WITHIN_S = 60
PATIENCE_S = 250.0
"""Of clients."""
SETTINGS = StreamSettings(topics=TopicSettings(shards=1, raw_partitions=1))
Sent = list[tuple[str, bytes]]
Sender = Callable[[int, np.random.Generator], Sent]
"""Second and chance -> what it sends then: topic and value."""


def served(
    producer: str,
    second: int,
    rng: np.random.Generator,
    *,
    unit: float = 1.0,
    clock_us: int = 0,
    slow: float = 1.0,
    number: Callable[[int], int] = lambda second: second + 1,
) -> bytes:
    """A frame with the requests that a service has finished in a second."""
    at_us = T0 + second * SECOND_US + clock_us
    ttft_s = np.minimum(rng.lognormal(-1.0, 0.6, 20) * slow, PATIENCE_S)
    records = [
        request(
            "finished",
            at_us - int(back_us),
            ttft_s=float(ttft) * unit,
            duration_s=float(ttft) + 3,
            output_tokens=100,
        )
        for ttft, back_us in zip(ttft_s, rng.integers(0, 900_000, 20), strict=True)
    ]
    records.append(request("gauge", at_us, queued=3.0, in_flight=20.0))
    header = FrameHeader(
        producer=producer, boot="b", sequence=second + 1, count=0, number=number(second)
    )
    return encode_records(header, records)


def usual(producer: str, second: int, rng: np.random.Generator, **but: float) -> Sent:
    return [("requests", served(producer, second, rng, **but))]  # type: ignore[arg-type]


def watched(node: str, second: int, _: np.random.Generator, **but: float) -> Sent:
    """A node's GPUs, read once a second."""
    at_us = T0 + second * SECOND_US
    values = {"util_ratio": 0.87, "memory_used_bytes": 6e10, "power_w": 400.0} | but
    samples = [gpu(f"{node}-{n}", at_us, node=node, **values) for n in range(2)]
    return [("gpu", encode_record(sample)) for sample in samples]


def loses_frames(second: int, rng: np.random.Generator) -> Sent:
    skips = served("gaps", second, rng, number=lambda second: second + 1 + second // 20)
    return [("requests", skips)]


def repeats_frames(second: int, rng: np.random.Generator) -> Sent:
    return usual("twice", second, rng) * 2


def falls_silent(second: int, rng: np.random.Generator) -> Sent:
    return watched("quiet", second, rng) if second < 150 else []


def is_overrun(second: int, rng: np.random.Generator) -> Sent:
    """After a minute, hardly anybody gets a token within half a minute."""
    return usual("overrun", second, rng, slow=200.0 if second > 60 else 1.0)


def ends_its_day(second: int, rng: np.random.Generator) -> Sent:
    """Fewer and fewer requests, of each a message, and then none."""
    count = int(rng.poisson(max(0.0, 6 - second / 25)))
    records = [request(at_us=T0 + second * SECOND_US, pool="evening")] * count
    return [("requests", encode_record(record)) for record in records]


def is_held_up(second: int, rng: np.random.Generator) -> Sent:
    """For a quarter of a minute its line is slow."""
    return usual("held-up", second, rng, clock_us=-950_000 if 60 <= second < 75 else 0)


def writes_rubbish(second: int, rng: np.random.Generator) -> Sent:
    return [*usual("tidy", second, rng), ("requests", b"<html>404</html>")]


def stamps_milliseconds(second: int, _: np.random.Generator) -> Sent:
    record = request(at_us=(T0 + second * SECOND_US) // 1_000, pool="stamps")
    return [("requests", encode_record(record))]


GOOD: dict[str, Sender] = {
    "good": partial(usual, "good"),
    "overrun": is_overrun,
    "local/evening": ends_its_day,
    "held-up": is_held_up,
    "local/node-1": partial(watched, "node-1"),
    "local/idle": partial(watched, "idle", util_ratio=0.0, memory_used_bytes=4e6, power_w=30.0),
}
BAD: dict[str, tuple[str, str, str, Sender]] = {
    "unit of seconds": (
        "gateway-7", "unit", "ttft_s looks like milliseconds",
        partial(usual, "gateway-7", unit=1_000.0),
    ),
    "unit of ratios": (
        "local/node-2", "unit", "util_ratio looks like percent: 87 ",
        partial(watched, "node-2", util_ratio=87.0),
    ),
    "unit of bytes": (
        "local/node-3", "unit", "memory_used_bytes looks like mebibytes",
        partial(watched, "node-3", memory_used_bytes=61_440.0),
    ),
    "unit of instants": (
        "local/stamps", "clock", "at_us looks like milliseconds", stamps_milliseconds,
    ),
    "clock behind": (
        "slow-clock", "clock", "its clock is about 3.3 s behind",
        partial(usual, "slow-clock", clock_us=-3_200_000),
    ),
    "clock an hour ahead": (
        "tomorrow", "clock", "its clock is about 60 min ahead",
        partial(usual, "tomorrow", clock_us=3_600 * SECOND_US),
    ),
    "frames lost": ("gaps", "lost", "frames were lost on the way", loses_frames),
    "frames repeated": ("twice", "repeated", "frames came again", repeats_frames),
    "silent": ("local/quiet", "missing", "silent for", falls_silent),
    "unreadable": ("", "dead", "records could not be used", writes_rubbish),
}  # fmt: skip


Named = set[tuple[str, str]]
"""Origin and kind of each complaint."""


def told(senders: list[Sender], seconds: int) -> Iterator[tuple[int, Named, list[str]]]:
    """After each second, who is complained of and for what, and the sentences."""
    ingests = {topic: Ingest(topic, 0, SETTINGS) for topic in ("requests", "gpu")}
    view, rng, offsets = View(shards=1), np.random.default_rng(7), dict.fromkeys(ingests, 0)
    for second in range(seconds):
        stamp_us = T0 + second * SECOND_US + 100_000
        sent = [each for sender in senders for each in sender(second, rng)]
        for topic, ingest in ingests.items():
            values = [value for of, value in sent if of == topic]
            start = offsets[topic]
            offsets[topic] = following = start + len(values)
            messages = [
                Message(topic, 0, offset, stamp_us, b"", value)
                for offset, value in enumerate(values, start)
            ]
            out = ingest.step(RecordBatch(topic, 0, start, following, messages))
            out += ingest.idle(following, stamp_us + 900_000)
            view.feed(
                Message("quality", 0, 0, 0, b"", encode_record(o.value))
                for o in out
                if isinstance(o.value, Quality)
            )
        complaints = view.complaints()
        yield (
            second,
            {(one.origin, one.kind) for one in complaints},
            [one.sentence for one in complaints],
        )


History = list[tuple[int, Named, list[str]]]


@pytest.fixture(scope="module")
def history() -> History:
    return list(told([*GOOD.values(), *(sender for *_, sender in BAD.values())], 240))


@pytest.mark.parametrize("flaw", BAD)
def test_each_is_named_for_its_flaw(flaw: str, history: History) -> None:
    origin, kind, words, _ = BAD[flaw]
    first = next(second for second, found, _ in history if (origin, kind) in found)
    begins = 150 if kind == "missing" else 0

    assert first - begins <= NAMED_WITHIN_S
    assert any(words in sentence for sentence in history[-1][2])


def test_nobody_is_named_for_anything_else(history: History) -> None:
    named = set().union(*(found for _, found, _ in history))

    assert named == {(origin, kind) for origin, kind, *_ in BAD.values()}


def test_what_is_mended_is_forgotten_within_a_minute() -> None:
    def mended(second: int, rng: np.random.Generator) -> Sent:
        return usual("mended", second, rng, unit=1_000.0 if second < 60 else 1.0)

    found = {second: named for second, named, _ in told([mended], 140)}

    assert ("mended", "unit") in found[60]
    assert found[139] == set()


def test_who_goes_on_for_two_minutes_is_an_incident_of_its_own() -> None:
    settings = Settings(stream=SETTINGS)
    chain, rng = Chain(settings, [("requests", 0)]), np.random.default_rng(7)
    found: dict[str, Incident] = {}
    for second in range(150):
        stamp_us = T0 + second * SECOND_US + 100_000
        sent = served("gateway-7", second, rng, unit=1_000.0)
        for message in chain.step(
            [Message("requests", 0, second, stamp_us, b"", sent)], stamp_us + 1
        ):
            if message.topic == "incidents":
                incident = decode_record(message.value or b"", Incident)
                found[incident.id] = incident

    told = {cause.kind: one for one in found.values() for cause in one.causes}
    assert "ttft_s looks like milliseconds" in told["telemetry_unit"].causes[0].sentence
