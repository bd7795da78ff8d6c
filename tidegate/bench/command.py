"""The benchmarks, each a word behind `tidegate bench`."""

from typing import TYPE_CHECKING, Final

from tidegate.bench.detect import add_detect
from tidegate.bench.faults import add_faults
from tidegate.bench.scale import add_scale

if TYPE_CHECKING:
    import argparse

BENCHES: Final = (add_detect, add_faults, add_scale)
"""Each adds its words to those of `tidegate bench`."""

MEANING = "measure Tidegate against others on data of the past, and in the fault laboratory"


def add_bench(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    bench = commands.add_parser("bench", help=MEANING, description=MEANING)
    benches = bench.add_subparsers(required=True, metavar="BENCH")
    for add in BENCHES:
        add(benches)
