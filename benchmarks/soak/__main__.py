"""``python -m benchmarks.soak --duration 3600 --out build/soak``; run it again to go on.

Starts a Kafka and a worker for each stage, throws a million distinct series at them over the
duration, and writes what it sees of every process to ``samples.jsonl`` every two seconds. When it
is interrupted, ``state.json`` knows how far it came, and the next run does the rest.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.soak.load import STEADY, Load
from benchmarks.soak.verdict import BOUNDS, Sample, growths, markdown
from benchmarks.soak.watcher import Watcher
from detectors.settings import DetectionSettings
from streams.admin import create_topics
from streams.clock import system_clock
from streams.errors import BrokerUnavailableError
from streams.publisher import Publisher
from streams.settings import BrokerSettings, StreamSettings, TopicSettings, WindowSettings
from tests.chaos.crew import Crew
from tests.services import Kafka
from tidegate.settings import Settings

STAGES: Final = ("ingest", "watch", "respond")
MOMENT_S: Final = 0.5
LOOK_S: Final = 2.0


class State(msgspec.Struct, kw_only=True):
    """How far the soak has come; kept in a file."""

    seed: int
    duration_s: float
    series: int
    done_s: float = 0.0
    names: int = 0
    stretch: int = 0


def main() -> int:
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    state = _state(arguments)
    if state.done_s < state.duration_s:
        asyncio.run(_stretch(state, arguments.out))
    samples = _samples(arguments.out)
    found = growths(samples)
    print(f"{state.names:,} distinct series in {state.done_s:,.0f} s, {state.stretch} stretches\n")
    print(markdown(found))
    if unseen := BOUNDS.keys() - {one.measure for one in found}:
        print(f"too short to say anything of {', '.join(sorted(unseen))}")
    return 0 if not unseen and all(one.flat for one in found) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", type=float, default=3_600.0, metavar="S")
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/soak"))
    parser.add_argument("--fresh", action="store_true", help="forget an earlier run")
    return parser.parse_args()


def _state(arguments: argparse.Namespace) -> State:
    file = arguments.out / "state.json"
    if arguments.fresh or not file.exists():
        (arguments.out / "samples.jsonl").unlink(missing_ok=True)
        return State(seed=arguments.seed, duration_s=arguments.duration, series=arguments.series)
    return msgspec.json.decode(file.read_bytes(), type=State)


def _samples(out: Path) -> list[Sample]:
    file = out / "samples.jsonl"
    lines = file.read_bytes().splitlines() if file.exists() else []
    return [msgspec.json.decode(line, type=Sample) for line in lines]


async def _stretch(state: State, out: Path) -> None:
    """From where the last one ended to the end, or until it is interrupted."""
    state.stretch += 1
    with tempfile.TemporaryDirectory(prefix="tidegate-soak-") as name:
        kafka = Kafka(Path(name) / "kafka")
        kafka.start()
        settings = _settings(kafka)
        crew = Crew(Path(name), settings)
        try:
            await create_topics(settings.stream)
            for stage in STAGES:
                crew.join(stage)
            await _soak(state, settings.stream, crew, out)
        finally:
            crew.end()
            kafka.stop()


def _settings(kafka: Kafka) -> Settings:
    return Settings(
        stream=StreamSettings(
            broker=BrokerSettings(url=kafka.url),
            topics=TopicSettings(prefix="soak.", shards=4, raw_partitions=2),
            windows=WindowSettings(lateness_s=1, max_series=500),
        ),
        # As many as have a row of their own. A row is kept for an hour, a place among those 500
        # for a quarter of one: with more rows WATCH would grow by 300 a shard every quarter until
        # the hour is over, and that would look like a leak.
        detection=DetectionSettings(max_series=500),
    )


async def _soak(state: State, settings: StreamSettings, crew: Crew, out: Path) -> None:
    load = Load(state.seed, names=state.names, stretch=state.stretch)
    loop = asyncio.get_running_loop()
    began, before_s = loop.time(), state.done_s
    async with Publisher(settings) as publisher, Watcher(settings, crew, state.stretch) as watcher:
        looking = asyncio.create_task(_look(watcher, out, began))
        while state.done_s < state.duration_s:
            due = round(state.series * state.done_s / state.duration_s)
            await _send(publisher, load, max(0, due - load.names))
            state.names = load.names
            _keep(state, out)
            _check(crew, looking)
            await asyncio.sleep(max(0.0, began + state.done_s - before_s + MOMENT_S - loop.time()))
            state.done_s = before_s + loop.time() - began
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    _keep(state, out)


async def _send(publisher: Publisher, load: Load, new: int) -> None:
    out = list(load.moment(system_clock(), round(STEADY * MOMENT_S), new))
    while True:
        try:
            return await publisher.send(*out)
        except BrokerUnavailableError as exc:
            print(exc, file=sys.stderr)


async def _look(watcher: Watcher, out: Path, began: float) -> None:
    while True:
        samples = await watcher.look(asyncio.get_running_loop().time() - began)
        with (out / "samples.jsonl").open("ab") as file:
            file.writelines(msgspec.json.encode(sample) + b"\n" for sample in samples)
        await asyncio.sleep(LOOK_S)


def _check(crew: Crew, looking: asyncio.Task[None]) -> None:
    if ended := crew.ended():
        raise SystemExit(f"soak: {', '.join(ended)} ended by itself")
    if looking.done():
        looking.result()


def _keep(state: State, out: Path) -> None:
    """Whole or not at all: we may be interrupted here."""
    fresh = out / "state.json.new"
    fresh.write_bytes(msgspec.json.encode(state))
    fresh.replace(out / "state.json")


if __name__ == "__main__":
    sys.exit(main())
