"""Bytewax: KafkaSource, msgspec, ``fold_window`` over a tumbling window of event time."""

from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as w
import msgspec
from bytewax._bytewax import cli_main
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from report import Finished, Report, fold, task

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WAIT = timedelta(seconds=60)
"""Longer than the log is filled and drained: its watermark also moves with the wall clock."""

given = task()
report = Report(given)
read = msgspec.json.Decoder(Finished).decode


def decoded(message) -> tuple[str, Finished]:
    report.seen(1)
    event = read(message.value)
    return event.model, event


class ReportPartition(StatelessSinkPartition):
    def write_batch(self, items) -> None:
        for model, (second, (count, sum_us, _)) in items:
            report.window(model, second, count, sum_us)


class ReportSink(DynamicSink):
    def build(self, step_id, worker_index, worker_count) -> ReportPartition:
        return ReportPartition()


source = KafkaSource(
    [given.bootstrap], [given.topic], batch_size=10_000, add_config={"check.crcs": "true"}
)
clock = w.EventClock(
    ts_getter=lambda event: datetime.fromtimestamp(event.at_us / 1e6, UTC),
    wait_for_system_duration=WAIT,
)
flow = Dataflow("windows")
messages = op.input("read", flow, source)
events = op.map("decode", messages, decoded)
windows = w.fold_window(
    "sum",
    events,
    clock,
    w.TumblingWindower(length=timedelta(seconds=1), align_to=EPOCH),
    builder=lambda: [0, 0, {}],
    folder=lambda row, event: fold(row, round(event.duration_s * 1e6)),
    merger=lambda left, _: left,  # tumbling windows never merge
    ordered=False,
)
op.output("out", windows.down, ReportSink())
cli_main(flow)
