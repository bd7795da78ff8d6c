"""What a value was a day before, read from a real log of windows."""

import numpy as np
import pytest

from autoscaler.api.day_before import DayBefore
from streams.admin import create_topics
from streams.clock import SECOND_US, system_clock
from streams.codec import BlockHeader
from streams.publisher import Publisher
from streams.schemas.anomalies import Anomaly
from streams.series import routing_key, series_id, shard_of
from streams.settings import StreamSettings
from streams.stage import Out
from streams.windows.blocks import encode_table
from streams.windows.table import Table
from tests.streams.toys import new_prefix, toy_settings

pytestmark = pytest.mark.kafka

SHARDS = 4
AGO_US = 5 * SECOND_US
LABELS = {"cluster": "local", "pool": "codex", "replica": "codex-1"}
OTHER = LABELS | {"replica": "codex-2"}


def anomaly(started_at_us: int, labels: dict[str, str] = LABELS) -> Anomaly:
    return Anomaly(
        id="a1",
        kind="engine",
        series_id="00",
        labels=labels,
        feature="engine.finished_per_s",
        unit="requests/s",
        started_at_us=started_at_us,
        at_us=started_at_us,
        score=2.0,
        peak_score=2.0,
        actual=9.0,
        expected=0.0,
        direction="above",
        detector="ewma",
    )


def window(at_us: int, finished: dict[str, int]) -> bytes:
    labels = {series_id("engine", one): one for one in (LABELS, OTHER)}
    counts = [finished[one["replica"]] for one in labels.values()]
    table = Table(
        "engine",
        np.full(2, at_us),
        np.array(list(labels)),
        {"finished": np.array(counts, np.int64)},
        {},
        labels,
    )
    shard = shard_of(routing_key("engine", LABELS), SHARDS)
    header = BlockHeader(kind="window", series_kind="engine", shard=shard, watermark_us=at_us)
    return encode_table(table, header, max_bytes=900_000)[0]


async def write(settings: StreamSettings, *blocks: bytes) -> None:
    shard = shard_of(routing_key("engine", LABELS), SHARDS)
    async with Publisher(settings) as publisher:
        await publisher.send(
            *(
                Out(topic="windows", key=str(shard), value=block, partition=shard)
                for block in blocks
            )
        )


async def test_it_is_found_in_the_log_by_time_and_series(kafka_url: str) -> None:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once", shards=SHARDS)
    await create_topics(settings)
    then_us = system_clock() // SECOND_US * SECOND_US
    await write(
        settings,
        window(then_us - 60 * SECOND_US, {"codex-1": 70, "codex-2": 1}),
        window(then_us, {"codex-1": 7, "codex-2": 1}),
        window(then_us + SECOND_US, {"codex-1": 8, "codex-2": 2}),
        b"no block",
        window(then_us + 120 * SECOND_US, {"codex-1": 80, "codex-2": 1}),
        window(then_us, {"codex-1": 90, "codex-2": 1}),
    )
    ask = DayBefore(settings, ago_us=AGO_US)

    one = await ask(anomaly(then_us + AGO_US))
    of_the_pool = await ask(anomaly(then_us + AGO_US, {"cluster": "local", "pool": "codex"}))
    of_nobody = await ask(anomaly(then_us + AGO_US, LABELS | {"replica": "none"}))
    before_the_log = await ask(anomaly(then_us - 1_000 * SECOND_US))

    assert one is not None
    assert one.tolist() == [7.0, 8.0]
    assert of_the_pool is not None
    assert of_the_pool.tolist() == [8.0, 10.0]
    assert of_nobody is None
    assert before_the_log is None
