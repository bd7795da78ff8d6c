"""The page of an engine at many instants: counters and histograms grow from one to the next."""

import re
from pathlib import Path
from typing import Final

STORED: Final = Path(__file__).parents[2] / "tests" / "data" / "engines" / "vllm-0.33.0-b.txt"
"""What vLLM itself prints: 579 lines, 58 kB."""
_TYPE: Final = re.compile(r"# TYPE (\S+) (\S+)")


def versions(count: int) -> list[bytes]:
    """The page ``count`` times, each with more work behind it than the one before."""
    lines = STORED.read_text().splitlines()
    return [_grown(lines, factor) for factor in range(1, count + 1)]


def _grown(lines: list[str], factor: int) -> bytes:
    grows = False
    grown = []
    for line in lines:
        if found := _TYPE.match(line):
            grows = found[2] in {"counter", "histogram"}
        series, _, value = line.rpartition(" ")
        moves = grows and not line.startswith("#") and "_created" not in series
        grown.append(f"{series} {float(value) * factor}" if moves else line)
    return ("\n".join(grown) + "\n").encode()
