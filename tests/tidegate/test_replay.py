"""A recording run through the chain: always the same bytes, every record accounted for."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from streams import connection
from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import encode_record
from streams.inputs import INPUTS
from streams.recording import RecordingWriter
from streams.schemas.scaling import PoolStatus
from streams.sinks.embedded import EmbeddedSink
from tests.scenarios.chain import settings_of
from tests.scenarios.pool_simulation import PoolSimulation, Second, traced_arrivals
from tests.services.base import free_port
from tidegate.cli import main
from tidegate.replay.replay import Played, replayed

pytestmark = pytest.mark.slow  # each test runs the whole chain, some twice

FAULT_S = 20
SECONDS = 40


def messages_of(second: Second, at_us: int, offsets: dict[tuple[str, int], int]) -> list[Message]:
    """Divided among two partitions, stamped evenly over a second."""
    found: list[Message] = []
    for topic in INPUTS:
        records = getattr(second, topic)
        for number, record in enumerate(records):
            source = (topic, number % 2)
            offsets[source] = offset = offsets.get(source, -1) + 1
            stamp_us = at_us + number * SECOND_US // len(records)
            found.append(Message(*source, offset, stamp_us, b"", encode_record(record)))
    return sorted(found, key=lambda one: (one.timestamp_us, one.topic, one.partition, one.offset))


@pytest.fixture(scope="module")
def recorded() -> list[Message]:
    """A replica freezes; one record is none; a driver speaks of the pool."""
    simulation = PoolSimulation(2)
    offsets: dict[tuple[str, int], int] = {}
    found: list[Message] = []
    for at_s, tokens in enumerate(traced_arrivals(2, SECONDS)):
        simulation.replica("codex-2").frozen = at_s >= FAULT_S
        second = simulation.step(tokens)
        found += messages_of(second, simulation.now_us, offsets)
    middle = found[len(found) // 2].timestamp_us
    bad = Message("requests", 2, 0, middle, b"", b"moon")
    status = PoolStatus(
        pool="codex", service="codex", model="m", at_us=middle, desired=2, ready=2,
        min_replicas=1, max_replicas=3,
    )  # fmt: skip
    pool = Message("pools", 0, 0, middle, b"local/codex", encode_record(status))
    return sorted([*found, bad, pool], key=lambda one: one.timestamp_us)


def lines(steps: Iterable[Played]) -> list[bytes]:
    return [line.encoded() for step in steps for line in step.lines]


@pytest.fixture(scope="module")
def steps(recorded: list[Message]) -> list[Played]:
    """A second at a time."""
    return list(replayed(recorded, settings_of(2)))


def told(steps: list[Played], topic: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in lines(steps)]
    return [one for one in found if one["topic"] == topic]


@pytest.mark.parametrize("every_s", [0.25, 7.0])
def test_into_whatever_steps_it_is_divided_the_bytes_are_the_same(
    recorded: list[Message], steps: list[Played], every_s: float
) -> None:
    others = replayed(recorded, settings_of(2), every_us=round(every_s * SECOND_US))
    assert lines(others) == lines(steps)


def test_every_record_is_in_a_window_or_set_aside(
    recorded: list[Message], steps: list[Played]
) -> None:
    written = [one for step in steps for one in step.written]
    arrived = sum(b'"arrived"' in (one.value or b"") for one in recorded)
    windows = told(steps, "windows")
    assert sum(one["columns"].get("arrived", 0) for one in windows) == arrived  # type: ignore[attr-defined]
    assert [one.topic for one in written].count("dead-letters") == 1


def test_an_incident_is_found_again(steps: list[Played]) -> None:
    subjects = {one["record"]["subject"]["name"] for one in told(steps, "incidents")}  # type: ignore[index]
    assert subjects == {"codex-2"}


@pytest.fixture
def file(recorded: list[Message], tmp_path: Path) -> Path:
    path = tmp_path / "some.tgr"
    with RecordingWriter(path) as writer:
        for message in recorded:
            writer.write(message)
    return path


Replay = Callable[..., bytes]


@pytest.fixture
def replay(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replay:
    monkeypatch.setenv("TIDEGATE_STREAM__TOPICS__SHARDS", "2")

    def run(*options: str) -> bytes:
        out = tmp_path / "out.jsonl"
        assert main(["replay", str(file), "--out", str(out), *options]) == 0
        return out.read_bytes()

    return run


def test_the_command_writes_the_same_bytes_every_time(replay: Replay) -> None:
    first = replay()
    assert first.count(b"\n") > SECONDS
    assert replay("--speed", "100000") == first


def test_a_span_can_be_chosen(replay: Replay) -> None:
    part = [json.loads(line) for line in replay("--from", "2026-01-01T12:00:10Z").splitlines()]
    assert min(one["end_us"] for one in part if one["topic"] == "windows") > 0
    assert len(part) < len(replay().splitlines())


def test_points_go_into_the_embedded_store(replay: Replay, tmp_path: Path) -> None:
    replay("--store", str(tmp_path / "store.sqlite"))
    store = EmbeddedSink(tmp_path / "store.sqlite", retention_s=3_600, max_bytes=10**9)
    assert list(store.read("window_request"))
    assert list(store.read("incident"))
    store.close()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        pytest.param("/nowhere/some.tgr", "a file that exists", id="no-file"),
        pytest.param(__file__, "is no recording", id="something-else"),
    ],
)
def test_what_is_no_recording_is_one_sentence(
    source: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", source]) != 0
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_without_a_broker_an_older_recording_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = tmp_path / "some.tgr"
    older.write_bytes(b"older")
    monkeypatch.setenv("TIDEGATE_STREAM__BROKER__URL", f"kafka://127.0.0.1:{free_port()}")
    monkeypatch.setattr(connection, "PATIENCE_S", 0.1)

    assert main(["record", str(older)]) == 1
    assert older.read_bytes() == b"older"
