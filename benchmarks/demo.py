"""Ten seeds of `tidegate up` with faults, one quiet run: how fast and how rightly it finds them.

``python -m benchmarks.demo --seeds 10 --duration 120 --out build/demo`` runs one after the other,
prints Markdown and writes every report. The seed chooses the first fault, so ten seeds begin with
each of the five faults twice; times, targets and traffic are drawn. Runs that are there stay.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Report = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--duration", type=int, default=120)
    parser.add_argument("--quiet", type=int, default=180, help="seconds of the run without faults")
    parser.add_argument("--broker", default="")
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    common = ["--broker", arguments.broker] if arguments.broker else []
    quiet = _run(arguments.out, "quiet", arguments.quiet, 100, [*common, "--no-faults"])
    runs = [
        _run(arguments.out, f"seed-{seed}", arguments.duration, seed, common)
        for seed in range(arguments.seeds)
    ]
    text = markdown(quiet, runs)
    print(text)
    (arguments.out / "summary.md").write_text(text)
    return 0


def _run(out: Path, name: str, duration: int, seed: int, more: Sequence[str]) -> Report:
    # Another length is another run, and must not pass for this one.
    path = out / f"{name}-{duration}s.json"
    if not path.exists():
        argv = [sys.executable, "-m", "tidegate", "up", "--duration", str(duration)]
        done = subprocess.run(
            [*argv, "--seed", str(seed), "--report", str(path), *more],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        path.with_suffix(".txt").write_text(done.stdout + done.stderr)
        print(f"{path.stem}: exit code {done.returncode}", file=sys.stderr, flush=True)
        if not path.exists():
            raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    report: Report = json.loads(path.read_text())
    return report


def markdown(quiet: Report, runs: Sequence[Report]) -> str:
    """Tables: per fault, per seed, the quiet run."""
    faults = [fault for run in runs for fault in run["faults"]]
    lines = [
        "| fault | injected | right subject ≤ 15 s | median s | slowest s |",
        "|---|---|---|---|---|",
    ]
    names = sorted({fault["fault"] for fault in faults})
    lines += [_row(name, [f for f in faults if f["fault"] == name]) for name in names]
    lines += [_row("**all**", faults), ""]
    lines += [
        "| run | faults, found after s | healthy clients: answered / failed | incidents | "
        "codex up/down | sora up/down | tokens/s of a core | cores free | silent stages |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_run_row(f"seed {run['seed']}", run) for run in runs]
    lines += [_run_row("no faults", quiet)]
    return "\n".join(lines) + "\n"


def _row(name: str, faults: Sequence[Report]) -> str:
    found = [f["found_after_s"] for f in faults if f["found_after_s"] is not None]
    right = sum(f["in_time"] for f in faults)
    middle = f"{statistics.median(found):.1f}" if found else "–"
    worst = f"{max(found):.1f}" if found else "–"
    return f"| {name} | {len(faults)} | {right} | {middle} | {worst} |"


def _run_row(name: str, run: Report) -> str:
    clients = run["clients"]
    healthy = ("acme", "birch", "cedar")
    answered = sum(clients["answered"].get(tenant, 0) for tenant in healthy)
    failed = sum(clients["failed"].get(tenant, 0) for tenant in healthy)
    moves = [
        f"{of['ups']}/{of['downs']}" if (of := run["scaling"].get(pool)) else "–"
        for pool in ("codex", "sora")
    ]
    cells = [
        name,
        ", ".join(map(_fault, run["faults"])) or "none",
        f"{answered} / {failed}",
        str(len(run["incidents"])),
        *moves,
        str(run["machine"]["tokens_per_s_one_thread"]),
        f"{run['cpu'].get('free', 0):.2f}",
        ", ".join(run["silent_stages"]) or "none",
    ]
    return f"| {' | '.join(cells)} |"


def _fault(fault: Report) -> str:
    after_s = fault["found_after_s"]
    return f"{fault['fault']} {'not found' if after_s is None else f'{after_s:.1f}'}"


if __name__ == "__main__":
    sys.exit(main())
