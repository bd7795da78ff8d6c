from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.ingest.drain import difference
from benchmarks.ingest.load import FORMATS, JITTER_US, Events, drawn, name_of
from streams.codec import FrameHeader, decode_record
from streams.decode import Decoder
from streams.frames import shape_of
from streams.repeats import Repeats
from streams.schemas.telemetry import RequestEvent

if TYPE_CHECKING:
    from streams.windows.fields import Fields

NOW_US = 1_700_000_000_000_000
HEADER = FrameHeader(producer="load", boot="0", sequence=0, count=0)


def events(count: int = 450) -> Events:
    return drawn(np.random.default_rng(7), count, models=5, now_us=NOW_US)


def read(form: str, given: Events) -> list[RequestEvent]:
    values = [value for _, value in FORMATS[form](given, HEADER)]
    portions: list[Fields] = []
    decoder = Decoder(
        RequestEvent,
        max_message_bytes=1_000_000,
        repeats=Repeats(),
        shape=shape_of(RequestEvent),
    )
    decoded = decoder.decode(values, portions.append)
    assert not decoded.flaws
    return [
        decode_record(portion.json(place), RequestEvent)
        for portion in portions
        for place in range(len(portion))
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_carries_every_event_as_it_is(form: str) -> None:
    given = events()

    found = [
        (record.at_us, record.model, round((record.duration_s or 0) * 1e6))
        for record in read(form, given)
    ]

    names = [name_of(model) for model in given.model.tolist()]
    assert found == list(zip(given.at_us.tolist(), names, given.duration_us.tolist(), strict=True))


def test_events_are_as_long_as_the_goals_say() -> None:
    sizes = [len(value) for _, value in FORMATS["json"](events(), HEADER)]

    assert 140 <= np.mean(sizes) <= 170


def test_events_are_out_of_order_but_never_late() -> None:
    behind_us = NOW_US - events().at_us

    assert 0 <= behind_us.min() < behind_us.max() <= JITTER_US
    assert np.any(np.diff(behind_us) > 0)


def test_each_model_has_one_partition() -> None:
    given = events()

    parts = [set(given.of(partition, 2).model.tolist()) for partition in range(2)]

    assert parts == [{0, 2, 4}, {1, 3}]


def test_equal_windows_have_no_difference() -> None:
    assert difference({("a", 1): [2, 30]}, {("a", 1): [2, 30]}) == ""


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        pytest.param({}, "1 of 1 windows differ, +2 events missing", id="nothing-came"),
        pytest.param({("a", 1): [2, 31]}, "1 of 1 windows differ, +0 events missing", id="sum"),
        pytest.param({("a", 1): [3, 30]}, "1 of 1 windows differ, -1 events missing", id="twice"),
    ],
)
def test_a_wrong_window_is_told(found: dict[tuple[str, int], list[int]], sentence: str) -> None:
    assert difference({("a", 1): [2, 30]}, found) == sentence
