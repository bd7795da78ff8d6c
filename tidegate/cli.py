"""The command line: words in, exit code out; every failure is one clear sentence."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from rich.console import Console

from streams.errors import TidegateError
from streams.log import configure_logging
from tidegate.arguments import instant, seconds, speed
from tidegate.backtest_command import add_backtest
from tidegate.bench.command import add_bench
from tidegate.demo.by_hand import BY_HAND
from tidegate.edge.merge_command import add_merge_sites
from tidegate.explain import add_explain
from tidegate.gpu_commands import add_gpu_commands
from tidegate.history_command import add_import
from tidegate.pool_commands import add_pool_commands
from tidegate.profile_command import add_profile
from tidegate.settings import Settings, load_settings
from tidegate.supervisor import EXIT_SETTINGS
from tidegate.watch.command import add_watch
from tidegate.wiring import ROLES, STAGES

EXIT_FAILED: Final = 1
MAX_PROCESSES: Final = 64
"""Of one stage under one supervisor."""

Command = Callable[[argparse.Namespace, Settings], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 is success, 1 a failure, 2 a wrong setting or argument."""
    arguments = _parser().parse_args(argv)
    command: Command = arguments.run
    try:
        return command(arguments, load_settings())
    except ValidationError as exc:
        for error in exc.errors():
            where = "__".join(str(part) for part in error["loc"]).upper()
            _complain(f"setting TIDEGATE_{where}: {error['msg']}, got {_shown(error)}")
        return EXIT_SETTINGS
    except TidegateError as exc:
        _complain(str(exc))
        return EXIT_SETTINGS if isinstance(exc, ValueError) else EXIT_FAILED
    except KeyboardInterrupt:
        return 130


def _complain(text: str) -> None:
    print(f"tidegate: {text}", file=sys.stderr)


def _shown(error: object) -> str:
    """What came, unless it could be a secret."""
    assert isinstance(error, dict)  # noqa: S101
    secret = any(
        word in str(part).lower()
        for part in error["loc"]
        for word in ("secret", "password", "token", "key")
    )
    plain = isinstance(error["input"], str | int | float | bool)
    return repr(error["input"]) if plain and not secret else "a value of that kind"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tidegate",
        description="Watches model services and GPUs, says what is wrong, scales ahead of demand.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="run everything on this machine and tell a story")
    up.add_argument(
        "--duration", type=seconds, default=0.0, metavar="S", help="stop after S seconds"
    )
    up.add_argument("--report", default="", metavar="FILE", help="write what happened as JSON")
    up.add_argument("--broker", default="", metavar="kafka://HOST:PORT", help="a real Kafka")
    up.add_argument("--seed", type=int, default=0, help="of traffic and faults (0)")
    up.add_argument("--no-faults", action="store_true", help="only traffic")
    up.set_defaults(run=_up)

    worker = commands.add_parser("worker", help="run stages, each in a process of its own")
    worker.add_argument(
        "--stages",
        type=_stages,
        default=list(STAGES),
        metavar="A,B:N",
        help="which, and in how many processes each: ingest:2,watch:4 (all, one each)",
    )
    worker.add_argument(
        "--metrics-port",
        type=int,
        default=0,
        metavar="PORT",
        help="of the first process, the others take the ports after it; 0: none",
    )
    worker.add_argument("--pulse", type=Path, default=None, help=argparse.SUPPRESS)
    worker.set_defaults(run=_worker)

    add_watch(commands)
    add_profile(commands)
    add_explain(commands)
    add_pool_commands(commands)
    add_merge_sites(commands)
    for role, meaning in _ROLE_HELP.items():
        commands.add_parser(role, help=meaning).set_defaults(run=_role(role))

    fault = commands.add_parser("fault", help="bring a fault about in a running `up`")
    fault.add_argument("name", choices=sorted(BY_HAND))
    fault.add_argument("--target", default="", help="replica or client; any if not given")
    fault.add_argument("--seconds", type=seconds, default=0.0, metavar="S")
    fault.set_defaults(run=_fault)

    doctor = commands.add_parser("doctor", help="what is missing, and what would mend it")
    doctor.set_defaults(run=_doctor)
    config = commands.add_parser("config", help="every setting with default and meaning")
    config.add_argument(
        "--values", action="store_true", help="the values in force, without secrets"
    )
    config.set_defaults(run=_config)
    _add_topics(commands.add_parser("topics", help="list, check, create, mend or grow the topics"))
    _add_recordings(commands)
    add_bench(commands)
    try_map = commands.add_parser(
        "try-map", help="the newest messages of a mapped topic, and what becomes of them"
    )
    try_map.add_argument("topic", metavar="TOPIC", help="of somebody else, in stream.maps")
    try_map.set_defaults(run=_try_map)
    return parser


def _add_topics(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_topics, action="list", topic="", total=0)
    actions = parser.add_subparsers(metavar="ACTION")
    for action, meaning in _TOPICS_HELP.items():
        actions.add_parser(action, help=meaning, description=meaning).set_defaults(action=action)
    meaning = "let a raw topic have more partitions while all runs; no record is lost or late"
    grow = actions.add_parser("add-partitions", help=meaning, description=meaning)
    grow.add_argument("topic", help="requests, engine, gpu or changes")
    grow.add_argument("total", type=int, help="how many it has afterwards")
    grow.set_defaults(action="add-partitions")


_TOPICS_HELP: Final = {
    "list": "what there should be (the default)",
    "check": "what is missing or differs, and what would mend it; changes nothing",
    "acls": "what each role may do at the broker, as commands for kafka-acls.sh",
    "create": "create what is missing, set what differs where that deletes nothing, name the rest",
}


def _add_recordings(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    record = commands.add_parser("record", help="copy what came from outside into a file")
    record.add_argument("file", metavar="FILE")
    record.set_defaults(run=_record)
    replay = commands.add_parser("replay", help="run a recording through the same code again")
    replay.add_argument("source", metavar="FILE|TOPIC", help="a file, or a topic or prefix")
    replay.add_argument("--speed", type=speed, default=0.0, help="1, 10, … or max (max)")
    replay.add_argument("--out", default="", metavar="FILE", help="JSON lines (standard output)")
    replay.add_argument("--store", default="", metavar="FILE", help="points into SQLite")
    replay.set_defaults(run=_replay)
    add_gpu_commands(commands)
    add_import(commands)
    add_backtest(commands)
    for command in (record, replay):
        command.add_argument("--from", dest="from_us", type=instant, default=0, metavar="TIME")
        command.add_argument("--to", dest="until_us", type=instant, default=2**62, metavar="TIME")


_ROLE_HELP: Final = {
    "gateway": "the OpenAI-compatible door in front of the pools",
    "api": "control API and live page",
    "receive": "take in what is pushed: OTLP over HTTP, Prometheus remote write",
    "agent": "scrape replicas, processes and GPUs of this machine",
    "edge": "window and detect at a far site, send when its line is up",
}


def _stages(text: str) -> list[str]:
    """Each name as often as it is to run.

    >>> _stages("ingest:2, watch")
    ['ingest', 'ingest', 'watch']
    """
    names: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, times = part.partition(":")
        if name not in STAGES:
            raise argparse.ArgumentTypeError(
                f"unknown stage {name!r}; stages are {', '.join(STAGES)}"
            )
        if times and not (times.isdecimal() and 1 <= int(times) <= MAX_PROCESSES):
            raise argparse.ArgumentTypeError(
                f"{name} must run in 1 to {MAX_PROCESSES} processes, got {times}"
            )
        names += [name] * int(times or 1)
    return names


def _up(arguments: argparse.Namespace, settings: Settings) -> int:
    from tidegate.up import Options, Up  # noqa: PLC0415  loads the demo, which others do not need

    configure_logging("error")  # the terminal is for the story
    options = Options(
        duration_s=arguments.duration,
        report=arguments.report,
        broker=arguments.broker,
        seed=arguments.seed,
        faults=not arguments.no_faults,
    )
    return asyncio.run(Up(settings, options, Console())())


def _worker(arguments: argparse.Namespace, settings: Settings) -> int:
    from tidegate.worker import run  # noqa: PLC0415

    configure_logging()
    return run(arguments.stages, settings, arguments.metrics_port, arguments.pulse)


def _role(name: str) -> Command:
    def run(_: argparse.Namespace, settings: Settings) -> int:
        configure_logging()
        return ROLES[name](settings)

    return run


def _fault(arguments: argparse.Namespace, _: Settings) -> int:
    from tidegate.demo.by_hand import run  # noqa: PLC0415

    return asyncio.run(run(arguments.name, arguments.target, arguments.seconds))


def _doctor(_: argparse.Namespace, settings: Settings) -> int:
    from tidegate.doctor import run  # noqa: PLC0415

    configure_logging("error")
    return asyncio.run(run(settings))


def _config(arguments: argparse.Namespace, settings: Settings) -> int:
    from tidegate.configuration import markdown  # noqa: PLC0415

    print(settings.model_dump_json(indent=2) if arguments.values else markdown(), end="")
    return 0


def _topics(arguments: argparse.Namespace, settings: Settings) -> int:
    from tidegate.topic_commands import run  # noqa: PLC0415

    configure_logging("error")  # what matters is said in one sentence
    return asyncio.run(run(arguments.action, settings.stream, arguments.topic, arguments.total))


def _try_map(arguments: argparse.Namespace, settings: Settings) -> int:
    from tidegate.try_map import run  # noqa: PLC0415

    configure_logging("error")
    return asyncio.run(run(arguments.topic, settings.stream, Console()))


def _record(arguments: argparse.Namespace, settings: Settings) -> int:
    from tidegate.replay.run import record  # noqa: PLC0415

    span = {"from_us": arguments.from_us, "until_us": arguments.until_us}
    entries = asyncio.run(record(Path(arguments.file), settings.stream, **span))
    print(f"tidegate: {entries:,} messages in {arguments.file}", file=sys.stderr)
    return 0


def _replay(arguments: argparse.Namespace, settings: Settings) -> int:
    from tidegate.replay.run import Options, replay  # noqa: PLC0415

    names = ("source", "speed", "from_us", "until_us", "out", "store")
    options = Options(**{name: getattr(arguments, name) for name in names})
    asyncio.run(replay(options, settings))
    return 0
