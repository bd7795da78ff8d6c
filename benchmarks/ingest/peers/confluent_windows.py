"""confluent-kafka: ``consume`` in large batches, msgspec one by one, numpy per batch."""

import msgspec
import numpy as np
from confluent_kafka import Consumer
from report import GROWTH, Finished, Report, task

BATCH = 10_000
BUCKETS = 2_048
LOG_GROWTH = np.log(GROWTH)


class Windows:
    """Count, sum and log histogram per (model, second), a batch at a time."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._rows: dict[tuple[int, int], list] = {}

    def add(self, events: list[Finished]) -> None:
        codes = self._codes
        code = np.array([codes.setdefault(e.model, len(codes)) for e in events])
        second = np.array([e.at_us for e in events]) // 1_000_000
        value = np.rint(np.array([e.duration_s for e in events]) * 1e6).astype(np.int64)
        keys, row = np.unique(second * len(codes) + code, return_inverse=True)
        bucket = np.ceil(np.log(np.maximum(value, 1)) / LOG_GROWTH).astype(np.int64)
        cells, counts = np.unique(row * BUCKETS + bucket, return_counts=True)
        count = np.bincount(row)
        total = np.bincount(row, weights=value).astype(np.int64)
        edges = np.searchsorted(cells, np.arange(keys.size + 1) * BUCKETS)
        for at, key in enumerate(keys.tolist()):
            place = (key % len(codes), key // len(codes))
            mine = slice(edges[at], edges[at + 1])
            held = self._rows.setdefault(place, [0, 0, np.zeros(BUCKETS, np.int64)])
            held[0] += int(count[at])
            held[1] += int(total[at])
            held[2][cells[mine] % BUCKETS] += counts[mine]

    def give(self, report: Report) -> None:
        names = list(self._codes)
        for (code, second), (count, sum_us, _) in self._rows.items():
            report.window(names[code], second, count, sum_us)


def main() -> None:
    given = task()
    report, windows = Report(given), Windows()
    read = msgspec.json.Decoder(Finished).decode
    options = {
        "bootstrap.servers": given.bootstrap,
        "group.id": "confluent-" + given.topic,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "check.crcs": True,
    }
    consumer = Consumer(options)
    consumer.subscribe([given.topic])
    while True:
        messages = [m for m in consumer.consume(BATCH, 0.1) if m.error() is None]
        if messages:
            windows.add([read(message.value()) for message in messages])
        if report.seen(len(messages)):
            windows.give(report)


main()
