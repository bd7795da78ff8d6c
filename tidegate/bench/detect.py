"""`tidegate bench detect`: detectors on labelled data, against their peers."""

import argparse
import sys
from pathlib import Path

from streams.errors import InvalidParameterError
from tidegate.settings import Settings

MEANING = "detectors on labelled data, against River, PySAD, scikit-learn and others"


def add_detect(benches: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    detect = benches.add_parser("detect", help=MEANING, description=MEANING)
    detect.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="with asd, ms_cloud, nab or smd"
    )
    detect.add_argument("--json", type=Path, metavar="FILE", help="every figure of every file")
    peers = detect.add_mutually_exclusive_group()
    peers.add_argument("--peers", default="", metavar="A,B", help="only these (all)")
    peers.add_argument("--no-peers", action="store_true", help="only Tidegate: quick")
    detect.add_argument("--jobs", type=int, default=1, help="processes at the same time (1)")
    detect.add_argument("--seed", type=int, default=0, help="of detectors, halves, bootstrap (0)")
    detect.set_defaults(run=run)


def run(arguments: argparse.Namespace, _: Settings) -> int:
    """1 where a file was refused; the figures are those of the others."""
    from tidegate.bench import detect_report  # noqa: PLC0415  loads scikit-learn and River
    from tidegate.bench.detect_run import Options, chosen, play  # noqa: PLC0415

    if arguments.json and not arguments.json.parent.is_dir():
        raise InvalidParameterError("--json", str(arguments.json), "in a directory that exists")
    if arguments.jobs < 1:
        raise InvalidParameterError("--jobs", arguments.jobs, "1 or more")
    options = Options(
        data=arguments.data,
        peers=() if arguments.no_peers else chosen(arguments.peers),
        jobs=arguments.jobs,
        seed=arguments.seed,
    )
    report = play(options, lambda line: print(line, file=sys.stderr, flush=True))
    print("\n".join(detect_report.markdown(report)))
    if arguments.json:
        arguments.json.write_text(detect_report.text(report), encoding="utf-8")
    return 1 if report.refused else 0
