"""`tidegate bench faults`: what the default detectors make of faults whose cause is known."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.errors import InvalidParameterError
from tidegate.settings import Settings

if TYPE_CHECKING:
    from detectors.laboratory.fault import Fault

MEANING = "faults laid on real traffic in a simulated cluster: found, named, how soon"
FAULTS: Final = Path("benchmarks/faults")


def add_faults(benches: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    faults = benches.add_parser("faults", help=MEANING, description=MEANING)
    faults.add_argument("--seed", type=int, default=0, help="of clusters, traffic and places (0)")
    faults.add_argument(
        "--faults", type=Path, default=FAULTS, metavar="DIR", help=f"of fault files ({FAULTS})"
    )
    faults.add_argument("--json", type=Path, metavar="FILE", help="every trial and all figures")
    faults.add_argument("--clusters", type=int, default=2, metavar="N", help="to try all on (2)")
    which = faults.add_mutually_exclusive_group()
    which.add_argument("--only", default="", metavar="A,B", help="faults of these names (all)")
    which.add_argument("--no-faults", action="store_true", help="only quiet time")
    faults.add_argument(
        "--quiet-hours", type=int, default=1, metavar="N", help="without a fault, of each (1)"
    )
    faults.add_argument(
        "--quiet-teams", type=int, default=20, metavar="N", help="who share each of these (20)"
    )
    faults.add_argument("--jobs", type=int, default=1, help="processes at the same time (1)")
    faults.set_defaults(run=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from detectors.laboratory import report  # noqa: PLC0415  loads scikit-learn and River
    from tidegate.bench.fault_files import load_faults  # noqa: PLC0415
    from tidegate.bench.fault_run import Options, play  # noqa: PLC0415

    if arguments.json and not arguments.json.parent.is_dir():
        raise InvalidParameterError("--json", str(arguments.json), "in a directory that exists")
    for name in ("clusters", "jobs", "quiet_teams"):
        if getattr(arguments, name) < 1:
            option = f"--{name.replace('_', '-')}"
            raise InvalidParameterError(option, getattr(arguments, name), "1 or more")
    faults = load_faults(arguments.faults)
    options = Options(
        directory=arguments.faults,
        names=() if arguments.no_faults else _chosen(arguments.only, faults),
        seeds=tuple(arguments.seed * 1_000 + number for number in range(arguments.clusters)),
        quiet_hours=max(arguments.quiet_hours, 0),
        quiet_teams=arguments.quiet_teams,
        jobs=arguments.jobs,
        detection=settings.detection,
    )
    trials, quiet = play(options)
    figures = report.report(faults, trials, quiet, settings.detection.false_pages_per_week)
    print("\n".join(report.table(figures)))
    if arguments.json:
        arguments.json.write_text(report.text(figures), encoding="utf-8")
    return 0


def _chosen(only: str, faults: "list[Fault]") -> tuple[str, ...]:
    names = tuple(fault.name for fault in faults)
    asked = tuple(name for name in only.split(",") if name)
    if unknown := sorted(set(asked) - set(names)):
        raise InvalidParameterError("--only", unknown[0], f"of {', '.join(names)}")
    return asked or names
