"""The chaos test at length: ``python -m benchmarks.chaos --kills 20 --events 2000000``.

Prints what was done and whether what came out equals an undisturbed run; exits with 1 if not.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.chaos.run import Happened, Plan, happen, verdict
from tests.services import Kafka


def main() -> int:
    plan = _plan()
    with tempfile.TemporaryDirectory(prefix="tidegate-chaos-") as name:
        kafka = Kafka(Path(name) / "kafka")
        kafka.start()
        try:
            happened = asyncio.run(happen(plan, kafka, "chaos.", Path(name)))
        finally:
            kafka.stop()
    return _say(plan, happened, verdict(happened))


def _plan() -> Plan:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="disturbances of all kinds (20)")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--per-s", type=int, default=10_000, help="events a second (10,000)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    return Plan(
        seed=given.seed,
        events=given.events,
        per_s=given.per_s,
        disturbances=given.kills,
        others=("plan",),
    )


def _say(plan: Plan, happened: Happened, wrong: str) -> int:
    for done in happened.done:
        print(f"  {done}")
    told = ", ".join(
        f"{count:,} {topic}" for topic, count in sorted(Counter(happened.told).items())
    )
    print(f"seed {plan.seed}: {happened.records:,} records came; {told}")
    print(f"DIFFERENT: {wrong}" if wrong else "equal to an undisturbed run, number for number")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
