"""The runs of `tidegate bench scale`, each kept as soon as it is over."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from autoscaler.backtest.contenders import CONTENDERS
from autoscaler.backtest.contest import Entry, Limits, Simulator, entries, play_timed
from autoscaler.backtest.trace import is_trace
from streams.errors import InvalidParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    data: Path
    file: Path | None = None
    only: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    usual: bool = False
    jobs: int = 1
    limits: str = ""
    simulator: Simulator = "slots"


Key = tuple[str, str, float, int, Simulator]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as it stands in the JSON."""

    trace: str
    contender: str
    setting: float
    cold_start_s: int
    tick_s: int
    requests: int
    gpu_hours: float
    missed_ratio: float
    reversals: int
    worst_ratio: float
    replicas_max: int
    cpu_s: float
    simulator: Simulator = "slots"
    work_hours: float = 0.0
    starting_hours: float = 0.0
    draining_hours: float = 0.0

    @property
    def key(self) -> Key:
        return (self.trace, self.contender, self.setting, self.cold_start_s, self.simulator)


@dataclass(slots=True)
class Report:
    rows: list[Row] = field(default_factory=list)
    """Of one simulator."""
    refused: list[str] = field(default_factory=list)
    """Files that are no traces of one pool."""


def play(options: Options, say: Callable[[str], None]) -> Report:
    paths, refused = _traces(options)
    kept = _kept(options.file)
    report = Report([row for row in kept if row.simulator == options.simulator], refused)
    limits = limits_of(options.limits)
    known = {row.key for row in kept}
    todo = [entry for entry in _chosen(options, paths) if _key(entry) not in known]
    say(f"{len(todo)} runs to go, {len(known)} are in the file")
    for row in _played(todo, limits, options.jobs):
        report.rows.append(row)
        kept.append(row)
        if options.file:
            _keep(options.file, kept)
        say(
            f"{row.trace} {row.contender} {row.setting:g} at {row.cold_start_s} s: "
            f"{row.gpu_hours:,.1f} GPU-hours, {100 * row.missed_ratio:.2f} % missed, "
            f"{row.reversals} reversals ({row.cpu_s:.1f} s)"
        )
    return report


def limits_of(text: str) -> Mapping[str, Limits]:
    """Trace -> replicas at the beginning and at most.

    >>> limits_of("az=12:14")
    {'az': Limits(first=12, high=14)}
    """
    limits = {}
    for part in filter(None, text.split(",")):
        name, _, numbers = part.partition("=")
        first, _, high = numbers.partition(":")
        if not (first.isdecimal() and high.isdecimal() and 1 <= int(first) <= int(high)):
            raise InvalidParameterError("--limits", part, "TRACE=FIRST:HIGH, 1 ≤ FIRST ≤ HIGH")
        limits[name] = Limits(int(first), int(high))
    return limits


def _traces(options: Options) -> tuple[Sequence[Path], list[str]]:
    files = sorted(options.data.glob("*.npz"))
    paths = [path for path in files if is_trace(path)]
    refused = [path.name for path in files if path not in paths]
    if options.traces:
        paths, refused = [path for path in paths if path.stem in options.traces], []
    if not paths:
        raise InvalidParameterError(
            "--data", str(options.data), "a directory with .npz traces (t or n_1s, tokens, meta)"
        )
    return paths, refused


def _chosen(options: Options, paths: Iterable[Path]) -> Iterator[Entry]:
    for name in options.only:
        if name not in CONTENDERS:
            raise InvalidParameterError("--only", name, f"one of {', '.join(CONTENDERS)}")
    for entry in entries(paths, options.only or CONTENDERS, options.simulator):
        if not options.usual or entry.setting == CONTENDERS[entry.contender].usual:
            yield entry


def _played(todo: Sequence[Entry], limits: Mapping[str, Limits], jobs: int) -> Iterator[Row]:
    of = [limits.get(Path(entry.path).stem) for entry in todo]
    if jobs == 1:
        yield from map(_row, todo, of)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_row, todo, of)


def _row(entry: Entry, limits: Limits | None) -> Row:
    outcome, cpu_s = play_timed(entry, limits)
    return Row(
        trace=Path(entry.path).stem,
        contender=entry.contender,
        setting=entry.setting,
        cold_start_s=entry.cold_start_s,
        tick_s=CONTENDERS[entry.contender].tick_s,
        requests=outcome.requests,
        gpu_hours=round(outcome.gpu_hours, 3),
        missed_ratio=round(outcome.missed_ratio, 6),
        reversals=outcome.reversals,
        worst_ratio=round(outcome.worst_ratio, 4),
        replicas_max=outcome.replicas_max,
        cpu_s=round(cpu_s, 2),
        simulator=entry.simulator,
        work_hours=round(outcome.work_hours, 3),
        starting_hours=round(outcome.starting_hours, 3),
        draining_hours=round(outcome.draining_hours, 3),
    )


def _key(entry: Entry) -> Key:
    name = Path(entry.path).stem
    return (name, entry.contender, entry.setting, entry.cold_start_s, entry.simulator)


def _kept(file: Path | None) -> list[Row]:
    if file is None or not file.exists():
        return []
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[Row])
    except msgspec.DecodeError as exc:
        raise InvalidParameterError("--json", str(file), f"runs of this benchmark ({exc})") from exc


def _keep(file: Path, rows: Sequence[Row]) -> None:
    """All of it beside the file, then in its place: one that is cut off leaves what was there."""
    beside = file.with_suffix(".part")
    lines = b",\n".join(map(msgspec.json.encode, rows))
    beside.write_bytes(b"[" + lines + b"]\n")
    beside.replace(file)
