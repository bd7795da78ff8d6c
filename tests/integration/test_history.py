"""`tidegate import --topic`: past requests on a broker, as if they happened now."""

from pathlib import Path

import pytest

from streams.admin import create_topics
from streams.clock import SECOND_US, system_clock
from streams.codec import decode_record
from streams.recording import read_recording
from streams.schemas.telemetry import RequestEvent
from streams.sources.files.events import Account, Serving, events
from streams.sources.files.row import Row
from tests.streams.toys import new_prefix, toy_settings
from tidegate.history import send
from tidegate.replay.run import FOREVER_US, record

pytestmark = pytest.mark.broker


async def test_an_hour_of_the_past_is_sent_from_now_on(broker_url: str, tmp_path: Path) -> None:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    rows = [Row(line=n, at_s=n * 36.0, duration_s=1.0) for n in range(100)]
    began_us = system_clock()
    await send(events(rows, Serving(pool="p"), Account()), settings, speed=3_600.0)
    await record(tmp_path / "a.tgr", settings, from_us=0, until_us=FOREVER_US)
    messages = read_recording(tmp_path / "a.tgr")
    seen = [decode_record(message.value or b"", RequestEvent) for message in messages]

    assert [e.kind for e in seen] == ["arrived", "finished"] * 100
    after_us = [event.at_us - seen[0].at_us for event in seen]
    assert after_us[::2] == [n * SECOND_US // 100 for n in range(100)]
    assert seen[0].at_us >= began_us
