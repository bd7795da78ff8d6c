"""Snapshots of WATCH by number of series: bytes, pause, restore; and how fast its log is replayed.

``python -m benchmarks.snapshots 100 1000`` prints Markdown. All series are replicas that report
every value in every second, in pools of ten, on one shard with the detectors everybody gets: each
has seven of them. A series in practice costs less.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import numpy as np

from detectors.settings import DetectionSettings
from detectors.stage import WatchHandler
from detectors.watch import Watch
from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import BlockHeader
from streams.schemas.telemetry import EngineSample
from streams.settings import WindowSettings
from streams.snapshots import Taken, snapshot_of, state_of
from streams.windows.blocks import encode_table
from streams.windows.delta import to_table

T = TypeVar("T")

START_US: Final = 1_767_268_800 * SECOND_US
POOL: Final = 10
HEADINGS: Final = (
    "series",
    "state MB",
    "stored MB",
    "pause ms",
    "encode ms",
    "take up ms",
    "first second after ms",
    "each further second ms",
    "peak RSS MB",
)
REPEATS: Final = 5
REPLAYED_S: Final = 5
TAKEN: Final = Taken(
    offset=1, last_offset=0, last_at_us=0, partition=0, meaning="", code="benchmark"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("series", type=int, nargs="*", default=[100, 1_000])
    parser.add_argument("--seconds", type=int, default=130, help="of traffic before the snapshot")
    arguments = parser.parse_args()
    print(f"| {' | '.join(HEADINGS)} |")
    print("|---" * len(HEADINGS) + "|")
    for series in arguments.series:
        print(row(series, arguments.seconds), flush=True)


def row(series: int, seconds: int) -> str:
    log = traffic(series, seconds + REPLAYED_S)
    watch = new_watch(series)
    for second in log[:seconds]:
        watch.step(second)
    state, pause = timed(lambda: WatchHandler(watch).save())
    snapshot, encode = timed(lambda: snapshot_of(state, TAKEN, chunk_bytes=900_000))
    later = log[seconds:]
    took = [restart(series, state_of(snapshot.manifest, snapshot.chunks), later) for _ in range(3)]
    load, first, rest = (list(each) for each in zip(*took, strict=True))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sizes = f"{len(state) / 1e6:.2f} | {snapshot.manifest.size_bytes / 1e6:.2f}"
    times = " | ".join(spread(each) for each in (pause, encode, load, first, rest))
    return f"| {series:,} | {sizes} | {times} | {peak_mb:,.0f} |"


def restart(series: int, state: bytes, later: list[list[Message]]) -> tuple[float, float, float]:
    """Milliseconds to take up the state, for the first second after, and for each further one."""
    watch = new_watch(series)
    began = time.perf_counter()
    WatchHandler(watch).load(state)
    loaded = time.perf_counter()
    watch.step(later[0])
    stepped = time.perf_counter()
    for second in later[1:]:
        watch.step(second)
    each = (time.perf_counter() - stepped) / (len(later) - 1)
    return 1e3 * (loaded - began), 1e3 * (stepped - loaded), 1e3 * each


def timed(work: Callable[[], T]) -> tuple[T, list[float]]:
    """The last result, and the milliseconds of each time."""
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        result = work()
        took.append(1e3 * (time.perf_counter() - began))
    return result, took


def spread(values: list[float]) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.0f} ({low:,.0f}–{high:,.0f})" if high >= 10 else f"{middle:.1f}"


def new_watch(series: int) -> Watch:
    windows = WindowSettings(max_series=max(10_000, series))
    return Watch(0, DetectionSettings(max_series=series), windows, [("engine", 0)])


def traffic(series: int, seconds: int) -> list[list[Message]]:
    """The messages of `partials`, second by second."""
    rng = np.random.default_rng(1)
    return [list(_messages(series, at_s, rng)) for at_s in range(seconds)]


def _messages(series: int, at_s: int, rng: np.random.Generator) -> Iterator[Message]:
    end_us = START_US + (at_s + 1) * SECOND_US
    header = BlockHeader(
        kind="delta",
        shard=0,
        source="engine",
        from_offset=at_s * series,
        next_offset=(at_s + 1) * series,
        watermark_us=end_us,
    )
    noise = rng.lognormal(0, 0.1, series).tolist()
    records = [_sample(number, end_us - 1, each) for number, each in enumerate(noise)]
    table = to_table("engine", records, interval_us=SECOND_US)
    for block in encode_table(table, header, max_bytes=900_000):
        yield Message("partials", 0, at_s, end_us, b"0", block)


def _sample(number: int, at_us: int, noise: float) -> EngineSample:
    return EngineSample(
        at_us=at_us,
        pool=f"pool-{number // POOL}",
        replica=f"replica-{number}",
        up=1.0,
        in_flight=4.0,
        output_tokens=round(40 * noise),
        ttft_s=0.3 * noise,
        inter_token_s=0.08 * noise,
        stalled_s=0.1 * noise,
        rss_bytes=4e8 * noise,
        cpu_ratio=0.5 * noise,
    )


if __name__ == "__main__":
    main()
