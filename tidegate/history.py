"""`tidegate import`: a file of past requests in; a recording, or records on a topic, out."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from streams.batch import Message
from streams.clock import SECOND_US, Clock, system_clock
from streams.codec import encode_record
from streams.connection import new_producer, wait_for_broker
from streams.errors import BrokerUnavailableError, InvalidParameterError
from streams.recording import RecordingWriter
from streams.schemas.telemetry import RequestEvent
from streams.settings import StreamSettings
from streams.sources.files.demand import read_arrays
from streams.sources.files.events import Account, Serving, events
from streams.sources.files.kinds import KINDS, named, recognised, rows
from streams.sources.files.row import BadLine, Row
from streams.sources.files.tables import open_table
from streams.stage import Out
from streams.transaction import encoded

TOPIC: Final = "requests"
LINGER_MS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line.

    kind: of ``KINDS``; empty is recognised. columns: field -> column, instead of a kind.
    out: the recording; empty sends to the topic, now, ``speed`` seconds of the file in a second.
    """

    file: Path
    serving: Serving
    kind: str = ""
    columns: dict[str, str]
    out: str = ""
    speed: float = 1.0


def run(options: Options, settings: StreamSettings) -> int:
    """Returns 0, or 1 where not one line was a request."""
    account = Account()
    kind, found = _rows(options)
    told = events(found, options.serving, account)
    if options.out:
        _record(Path(options.out), told)
    else:
        asyncio.run(send(told, settings, options.speed))
    for line in report(kind, account):
        print(f"tidegate: {line}", file=sys.stderr)
    return 0 if account.requests else 1


def report(kind: str, account: Account) -> Iterator[str]:
    """What became of the file."""
    yield f"{account.requests:,} requests of kind {kind}, {account.ended:,} with a known end"
    if account.requests and not account.ended:
        yield (
            "no request has an end, so only demand can be seen;"
            " --served 4000,0.05 would assume 4,000 prompt tokens/s and 0.05 s per output token"
        )
    if account.bad:
        yield f"{account.bad:,} lines are no requests, of them the first:"
    for bad in account.told:
        yield f"  line {bad.line}: {bad.reason}"


def _rows(options: Options) -> tuple[str, Iterator[Row | BadLine]]:
    if options.file.suffix == ".npz":
        return "arrays", read_arrays(options.file)
    table = open_table(options.file)
    if options.columns:
        return "columns", rows(table.lines, named(options.columns, table.columns))
    kind = options.kind or recognised(table.columns)
    absent = [name for name in KINDS[kind].needs if name not in table.columns]
    if absent:
        allowed = f"a file with {', '.join(absent)}; it has {', '.join(table.columns)}"
        raise InvalidParameterError(f"FILE of kind {kind}", options.file.name, allowed)
    return kind, rows(table.lines, KINDS[kind])


def _record(path: Path, told: Iterator[RequestEvent]) -> None:
    """Each event as if the broker had stamped it when it happened."""
    try:
        writer = RecordingWriter(path)
    except OSError as exc:
        raise InvalidParameterError("--out", str(path), f"writable ({exc.strerror})") from exc
    with writer:
        for offset, event in enumerate(told):
            value = encode_record(event)
            writer.write(Message(TOPIC, 0, offset, event.at_us, event.pool.encode(), value))


async def send(
    told: Iterator[RequestEvent],
    settings: StreamSettings,
    speed: float,
    clock: Clock = system_clock,
) -> None:
    """To the topic, as if it happened from now on: what lies in the past would only be late."""
    await wait_for_broker(settings)
    began_us, first_us = clock(), 0
    try:
        async with new_producer(settings, linger_ms=LINGER_MS) as producer:
            for event in told:
                first_us = first_us or event.at_us
                due_us = began_us + round((event.at_us - first_us) / speed)
                await asyncio.sleep(max(0, due_us - clock()) / SECOND_US)
                out = Out(topic=TOPIC, key=event.pool, value=event.but(at_us=due_us))
                # It waits for room in its buffer; leaving it waits for what is in there.
                await producer.send(**encoded(settings, out))
    except KafkaError as exc:
        raise BrokerUnavailableError(settings.broker.url, str(exc)) from exc
