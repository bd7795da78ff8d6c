"""``tidegate backtest`` on the command line."""

import argparse
import math
from pathlib import Path
from typing import Final

from streams.errors import InvalidParameterError
from tidegate.arguments import seconds
from tidegate.settings import Settings

MEANING: Final = "your past under Tidegate and the scalers of others: GPU-hours, misses, cost"
_PROMISES: Final = {
    "--ttft": "with --profile: longest time to the first token (not promised)",
    "--itl": "there: longest mean time between tokens (not promised)",
    "--deadline": "there: longest time to the last token (not promised)",
}
USUAL: Final = "tidegate,hpa,keda,knative,ray_serve,predictive_hpa"


def add_backtest(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    back = commands.add_parser("backtest", help=MEANING, description=MEANING)
    back.add_argument(
        "traces", nargs="*", type=Path, metavar="TRACE", help="a recording (import), or .npz"
    )
    back.add_argument("--prometheus", default="", metavar="URL", help="instead: what it knows of")
    back.add_argument(
        "--pool",
        default="",
        metavar="SELECTOR",
        help="""there: 'model_name="codex"'; in a recording: the pool's name (all)""",
    )
    back.add_argument("--hours", type=float, default=168.0, help="of the past, there (168)")
    back.add_argument("--slots", type=int, default=0, help="requests a replica serves at once")
    back.add_argument("--cold-start", type=seconds, default=120.0, metavar="S", help="(120)")
    back.add_argument("--slo", type=seconds, default=1.0, metavar="S", help="longest wait (1)")
    back.add_argument(
        "--profile",
        type=Path,
        metavar="FILE.json",
        help="of `tidegate profile`: replicas batch as it says; needs a trace with tokens (.npz)",
    )
    for option, meaning in _PROMISES.items():
        back.add_argument(option, type=seconds, default=math.inf, metavar="S", help=meaning)
    back.add_argument("--most", type=int, default=1_000, metavar="N", help="replicas (1,000)")
    back.add_argument("--zero", action="store_true", help="also: Tidegate with no least replica")
    back.add_argument("--asleep", type=int, default=0, metavar="N", help="also: so many may sleep")
    back.add_argument("--wake", type=seconds, default=5.0, metavar="S", help="until one serves (5)")
    back.add_argument(
        "--asleep-cost",
        type=float,
        default=None,
        metavar="R",
        help="of one that serves, 0 to 1: 1 where it keeps its GPU (the pool's asleep_cost_ratio)",
    )
    back.add_argument(
        "--jobs-due",
        type=seconds,
        default=0.0,
        metavar="S",
        help="requests are jobs that may wait, and must have ended so long after they came",
    )
    back.add_argument("--gpus", type=float, default=1.0, metavar="N", help="of a replica (1)")
    back.add_argument("--price", type=float, default=0.0, metavar="P", help="of a GPU-hour")
    back.add_argument("--policies", default=USUAL, metavar="A,B", help=f"({USUAL})")
    back.add_argument(
        "--chart", type=Path, metavar="FILE.svg", help="replicas and misses over time"
    )
    back.set_defaults(run=_backtest)


def _backtest(arguments: argparse.Namespace, settings: Settings) -> int:
    from autoscaler.backtest.slo import LatencySlo  # noqa: PLC0415
    from tidegate.backtest import Options, chosen, play  # noqa: PLC0415  loads Numba

    if bool(arguments.traces) == bool(arguments.prometheus):
        given = f"{len(arguments.traces)} files and {arguments.prometheus or 'none'}"
        raise InvalidParameterError("TRACE and --prometheus", given, "one of the two")
    promised = [arguments.ttft, arguments.itl, arguments.deadline]
    if (arguments.profile is not None) != any(map(math.isfinite, promised)):
        allowed = "together: --profile and at least one of --ttft, --itl and --deadline"
        raise InvalidParameterError("--profile", str(arguments.profile), allowed)
    if arguments.prometheus and not arguments.pool:
        allowed = "a selector of the pool's engines with --prometheus: 'model_name=\"codex\"'"
        raise InvalidParameterError("--pool", "", allowed)
    if arguments.jobs_due and arguments.profile:
        raise InvalidParameterError("--jobs-due", arguments.jobs_due, "without --profile")
    options = Options(
        traces=tuple(arguments.traces),
        prometheus=arguments.prometheus,
        pool=arguments.pool,
        hours=arguments.hours,
        slots=arguments.slots,
        cold_start_s=arguments.cold_start,
        slo_queue_s=arguments.slo,
        most=arguments.most,
        zero=arguments.zero,
        asleep=_at_least_0("--asleep", arguments.asleep),
        wake_s=arguments.wake,
        asleep_cost_ratio=_asleep_cost(arguments, settings),
        deadline_s=arguments.jobs_due,
        policies=chosen(arguments.policies),
        gpus=arguments.gpus,
        price=arguments.price,
        chart=arguments.chart,
        profile=arguments.profile,
        slo=LatencySlo(
            ttft_s=arguments.ttft,
            inter_token_s=arguments.itl,
            deadline_s=arguments.deadline,
        ),
    )
    return play(options, settings)


def _at_least_0(name: str, value: int) -> int:
    if value < 0:
        raise InvalidParameterError(name, value, "at least 0")
    return value


def _asleep_cost(arguments: argparse.Namespace, settings: Settings) -> float:
    """As said here, else of the pool in the settings, else all of it."""
    of_pools = {pool.name: pool.asleep_cost_ratio for pool in settings.backend.pools}
    told: float | None = arguments.asleep_cost
    ratio = of_pools.get(arguments.pool, 1.0) if told is None else told
    if not 0 <= ratio <= 1:
        raise InvalidParameterError("--asleep-cost", ratio, "from 0 to 1")
    return ratio
