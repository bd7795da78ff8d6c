"""Vanilla Faust: one agent, raw bytes, msgspec, sums in memory, uvloop.

Its windowed tables cost more and its ``take`` as much: this is the fastest of its documented ways.
"""

import sys

import faust
import msgspec
from report import Finished, Report, Sums, task

given = task()
report, sums = Report(given), Sums()
read = msgspec.json.Decoder(Finished).decode
app = faust.App(
    "faust-" + given.topic,
    broker="kafka://" + given.bootstrap,
    store="memory://",
    consumer_auto_offset_reset="earliest",
    topic_allow_declare=False,
    topic_disable_leader=True,
    web_enabled=False,
    stream_wait_empty=False,
)
topic = app.topic(given.topic, value_type=bytes, value_serializer="raw")


@app.agent(topic)
async def sum_up(values) -> None:
    async for value in values:
        sums.add(read(value))
        if report.seen(1):
            sums.give(report)


sys.argv = ["faust", "--loop", "uvloop", "worker", "--without-web", "--loglevel", "error"]
app.main()
