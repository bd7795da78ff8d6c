"""`tidegate bench scale`: Tidegate's autoscaler and those of others on traces of demand."""

import argparse
import sys
from pathlib import Path

from streams.errors import InvalidParameterError
from tidegate.settings import Settings

MEANING = "the autoscaler on traces of demand, against HPA, KEDA, Knative, Ray Serve and others"


def add_scale(benches: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    scale = benches.add_parser("scale", help=MEANING, description=MEANING)
    scale.add_argument("--data", type=Path, required=True, metavar="DIR", help="of .npz traces")
    scale.add_argument(
        "--json", type=Path, metavar="FILE", help="every run; what it holds is not run again"
    )
    scale.add_argument("--only", default="", metavar="A,B", help="only these contenders (all)")
    scale.add_argument("--traces", default="", metavar="A,B", help="only these traces (all)")
    scale.add_argument("--usual", action="store_true", help="one setting of each: quick, no curves")
    scale.add_argument("--jobs", type=int, default=1, help="processes at the same time (1)")
    scale.add_argument(
        "--simulator",
        choices=("slots", "batching"),
        default="slots",
        help="a miss is a wait for a slot, or tokens that come late (slots)",
    )
    scale.add_argument(
        "--reference", type=Path, metavar="FILE", help="runs of others on these traces, to compare"
    )
    scale.add_argument(
        "--limits",
        default="",
        metavar="TRACE=A:B,…",
        help="replicas at the beginning and at most (enough without scaling; nobody waits)",
    )
    scale.set_defaults(run=run)


def run(arguments: argparse.Namespace, _: Settings) -> int:
    """1 where a file was refused; the figures are those of the others."""
    from tidegate.bench import scale_report  # noqa: PLC0415  loads Numba
    from tidegate.bench.scale_run import Options, play  # noqa: PLC0415

    if arguments.json and not arguments.json.parent.is_dir():
        raise InvalidParameterError("--json", str(arguments.json), "in a directory that exists")
    if arguments.jobs < 1:
        raise InvalidParameterError("--jobs", arguments.jobs, "1 or more")
    options = Options(
        data=arguments.data,
        file=arguments.json,
        only=tuple(filter(None, arguments.only.split(","))),
        traces=tuple(filter(None, arguments.traces.split(","))),
        usual=arguments.usual,
        jobs=arguments.jobs,
        limits=arguments.limits,
        simulator=arguments.simulator,
    )
    report = play(options, lambda line: print(line, file=sys.stderr, flush=True))
    file = arguments.reference
    others = scale_report.runs_of_others(file.read_bytes()) if file else ()
    print("\n".join(scale_report.markdown(report, others)))
    if others:
        print("\n".join(scale_report.agreement(report, others)))
    return 1 if report.refused else 0
