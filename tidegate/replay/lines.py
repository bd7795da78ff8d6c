"""What stages wrote in, JSON lines out: one a fact, in one order, whatever blocks it came in."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from streams.arrivals import read
from streams.batch import Message
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Incident
from streams.schemas.scaling import Decision
from streams.series import series_hex
from streams.windows.rows import neutral_of
from streams.windows.table import Sparse, Table

TOLD: Final = ("windows", "anomalies", "incidents", "decisions")
"""Topics of which lines are made; of windows and anomalies the final ones."""


class Line(NamedTuple):
    """Lines sort by the event time at which they are known, then by what they are about."""

    known_us: int
    topic: str
    key: str
    fact: dict[str, Any]

    def encoded(self) -> bytes:
        return msgspec.json.encode({"topic": self.topic, **self.fact}) + b"\n"


def lines_of(message: Message, interval_us: Mapping[str, int]) -> Iterator[Line]:
    """What a message of a topic in ``TOLD`` says finally; nothing of other topics.

    interval_us: length of the windows per series kind.
    """
    if message.topic not in TOLD:
        return
    for arrival in read(message, interval_us=interval_us, held_us=0).arrivals:
        match arrival.record:
            case Table() as table:
                yield from _rows(table, arrival.at_us + 1, message.partition)
            case Anomaly() as anomaly:
                yield _line(arrival.at_us + 1, "anomalies", anomaly)
            case Incident() as incident:
                yield _line(incident.updated_at_us, "incidents", incident)
            case Decision() as decision:
                yield _line(decision.at_us, "decisions", decision)
            case _:
                continue


class Lines:
    """Holds lines until all of their time are there.

    interval_us: length of the windows per series kind.
    """

    def __init__(self, interval_us: Mapping[str, int]) -> None:
        self._interval_us = interval_us
        self._held: list[Line] = []

    def take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._held.extend(lines_of(message, self._interval_us))

    def through(self, settled_us: int) -> list[Line]:
        """Those known by ``settled_us``; give it only when nothing of that time is to come."""
        due = [line for line in self._held if line.known_us <= settled_us]
        self._held = [line for line in self._held if line.known_us > settled_us]
        return sorted(due, key=lambda line: line[:3])


def _rows(table: Table, end_us: int, shard: int) -> Iterator[Line]:
    columns = {name: column.tolist() for name, column in table.ints.items()}
    buckets = {name: _by_row(histogram) for name, histogram in table.sparse.items()}
    for row, series in enumerate(table.series.tolist()):
        name = f"{table.kind}/{series_hex(series)}"
        fact = {
            "end_us": end_us,
            "shard": shard,
            "series": name,
            "labels": dict(table.labels[series]),
            # As they are stored: fixed-point integers, and buckets as [bucket, count].
            "columns": {
                column: values[row]
                for column, values in columns.items()
                if values[row] != neutral_of(column)
            },
            "buckets": {column: rows[row] for column, rows in buckets.items() if row in rows},
        }
        # Every shard may have the `other` that is of no pool.
        yield Line(end_us, "windows", f"{name}/{shard}", fact)


def _by_row(histogram: Sparse) -> dict[int, list[list[int]]]:
    pairs: defaultdict[int, list[list[int]]] = defaultdict(list)
    triples = (histogram.row, histogram.bucket, histogram.count)
    for row, bucket, count in zip(*(column.tolist() for column in triples), strict=True):
        pairs[row].append([bucket, count])
    return dict(pairs)


def _line(known_us: int, topic: str, record: Anomaly | Incident | Decision) -> Line:
    return Line(known_us, topic, record.id, {"record": msgspec.to_builtins(record)})
