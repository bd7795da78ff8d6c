"""All of it, one command: ``python -m benchmarks.ingest --events 200000 --runs 3``.

Runs of the contenders are interleaved, so that the machine's noise falls on all alike. What has
been measured is kept in ``--out`` and not measured again; delete a file there to repeat its run.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import msgspec

from benchmarks.ingest import table
from benchmarks.ingest.contenders import CONTENDERS
from benchmarks.ingest.drain import Drained, Size, drain
from benchmarks.ingest.steady import LINES, Steady, steady
from benchmarks.ingest.verdicts import latency_verdicts, verdicts
from streams.errors import TidegateError
from streams.log import configure_logging
from tests.services import Kafka

R = TypeVar("R", bound=msgspec.Struct)

CURVES: Final[Mapping[str, Sequence[int]]] = {
    "partitions": (1, 4, 16),
    "models": (10, 1_000, 100_000),
    "workers": (1, 2, 4, 8),
}
"""Field of ``Size`` -> its values, one at a time."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where results lie and how a missing one is had."""

    out: Path
    url: str

    def kept(
        self, name: str, kind: type[R], measure: Callable[[], Coroutine[Any, Any, R]]
    ) -> R | None:
        """The result called ``name``; None, with a line on standard error, where it failed."""
        path = self.out / f"{name}.json"
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=kind)
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            result = asyncio.run(measure())
        except (TidegateError, OSError) as exc:
            print(f"{name}: {exc}", file=sys.stderr, flush=True)
            return None
        path.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
        return result

    def drained(self, contender: str, size: Size, number: int) -> Drained | None:
        varied = "-".join(str(value) for value in msgspec.structs.astuple(size))
        return self.kept(
            f"{contender}-{varied}-{number}",
            Drained,
            lambda: drain(CONTENDERS[contender], size, self.url),
        )


def main() -> int:
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    configure_logging("error")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # stops Kafka too
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # complains of topics just made
    with TemporaryDirectory(prefix="bench-kafka-") as folder:
        kafka = Kafka(Path(folder))
        kafka.start()
        try:
            text, figures = _report(Bench(arguments.out, kafka.url), arguments)
        finally:
            kafka.stop()
    print(text)
    (arguments.out / "report.md").write_text(text)
    (arguments.out / "report.json").write_text(json.dumps(figures, indent=1))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.ingest", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="each gets a share of its own")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--curve-runs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each steady load")
    parser.add_argument("--only", default=",".join(CONTENDERS), metavar="A,B")
    parser.add_argument("--parts", default="drains,curves,steady", metavar="A,B")
    parser.add_argument("--out", type=Path, default=Path("build/bench-ingest"))
    return parser.parse_args()


def _report(bench: Bench, arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    parts = arguments.parts.split(",")
    results = _drains(bench, arguments) if "drains" in parts else {}
    curves = _curves(bench, arguments) if "curves" in parts else {}
    loads = _loads(bench, arguments) if "steady" in parts else {}
    size = Size(events=arguments.events)
    lines = [table.machine(results, os.cpu_count() or 1, size), ""]
    lines += [*table.contenders(results), ""] if results else []
    for name, points in curves.items():
        lines += [*table.curve(name, points), ""]
    lines += [*table.steady(loads), ""] if loads else []
    lines += [f"- {line}" for line in [*verdicts(results), *latency_verdicts(loads)]]
    figures = {
        "arguments": {name: str(value) for name, value in vars(arguments).items()},
        "results": msgspec.to_builtins(results),
        "ratios": table.ratios(results),
        "curves": msgspec.to_builtins(curves, str_keys=True),
        "steady": msgspec.to_builtins(loads),
    }
    return "\n".join(lines) + "\n", figures


def _drains(bench: Bench, arguments: argparse.Namespace) -> dict[str, list[Drained]]:
    found: dict[str, list[Drained]] = defaultdict(list)
    for number in range(arguments.runs):
        for name in arguments.only.split(","):
            size = Size(events=round(arguments.events * CONTENDERS[name].share))
            if (result := bench.drained(name, size, number)) is not None:
                found[name].append(result)
    return dict(found)


def _curves(bench: Bench, arguments: argparse.Namespace) -> dict[str, dict[int, list[Drained]]]:
    found: dict[str, dict[int, list[Drained]]] = {name: defaultdict(list) for name in CURVES}
    events = round(arguments.events * CONTENDERS["tidegate"].share)
    for number in range(arguments.curve_runs):
        for name, value, size in _varied(Size(events=events)):
            if (result := bench.drained("tidegate", size, number)) is not None:
                found[name][value].append(result)
    return found


def _varied(usual: Size) -> Iterator[tuple[str, int, Size]]:
    for name, values in CURVES.items():
        for value in values:
            yield name, value, msgspec.structs.replace(usual, **{name: value})


def _loads(bench: Bench, arguments: argparse.Namespace) -> dict[str, Steady]:
    found = {
        name: bench.kept(
            f"steady-{'-'.join(str(value) for value in msgspec.structs.astuple(line))}",
            Steady,
            lambda line=line: steady(line, arguments.seconds, bench.url),  # type: ignore[misc]
        )
        for name, line in LINES.items()
    }
    return {name: result for name, result in found.items() if result is not None}


if __name__ == "__main__":
    sys.exit(main())
