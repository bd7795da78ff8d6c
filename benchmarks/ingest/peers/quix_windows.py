"""Quix Streams: JSON, a tumbling window of event time, Count and Sum, state in RocksDB."""

import tempfile

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Sum
from report import Report, task

given = task()
report = Report(given)


def taken(value) -> dict:
    report.seen(1)
    return value


def given_out(window, key, *_) -> None:
    model = key.decode() if isinstance(key, bytes) else key
    report.window(model, window["start"] // 1_000, window["count"], round(window["sum_s"] * 1e6))


with tempfile.TemporaryDirectory() as folder:
    app = Application(
        broker_address=given.bootstrap,
        consumer_group="quix-" + given.topic,
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel="ERROR",
    )
    topic = app.topic(
        given.topic,
        value_deserializer="json",
        timestamp_extractor=lambda value, *_: value["at_us"] // 1_000,
    )
    frame = app.dataframe(topic)
    frame = frame.apply(taken)
    frame = (
        frame.tumbling_window(duration_ms=1_000, grace_ms=2_000)
        .agg(count=Count(), sum_s=Sum("duration_s"))
        .final()
    )
    frame.update(given_out, metadata=True)
    app.run()
