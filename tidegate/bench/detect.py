"""`tidegate bench detect`: detectors on labelled data, against their peers."""

import argparse
from pathlib import Path

from tidegate.settings import Settings

MEANING = "detectors on labelled data, against River, PySAD, scikit-learn and others"


def add_detect(benches: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    detect = benches.add_parser("detect", help=MEANING, description=MEANING)
    detect.add_argument("--data", type=Path, required=True, metavar="DIR", help="of labelled sets")
    detect.add_argument("--json", type=Path, metavar="FILE", help="every figure of every file")
    detect.add_argument("--seed", type=int, default=0, help="of detectors, halves, bootstrap (0)")
    detect.set_defaults(run=run)


def run(arguments: argparse.Namespace, _: Settings) -> int:
    """1 where a file was refused."""
    from detectors.bench.labelled import Refused  # noqa: PLC0415
    from detectors.bench.sets import SETS, read_set  # noqa: PLC0415

    read = {name: list(read_set(name, arguments.data)) for name in SETS}
    refused = [file for files in read.values() for file in files if isinstance(file, Refused)]
    for name, files in read.items():
        print(f"{name}: {len(files)} files")
    for file in refused:
        print(f"tidegate: {file.name}: {file.reason}; the others go on")
    return 1 if refused else 0
