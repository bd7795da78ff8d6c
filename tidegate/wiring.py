"""Settings -> running stages and roles: the one place where all is put together."""

import gc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from streams.app import App, create_app, run_app
from streams.metrics import serve_metrics, show_from_start
from streams.watchdog import Watchdog, end_process
from tidegate.heap import share_one_heap
from tidegate.settings import Settings


def _ingest(app: App, settings: Settings) -> None:
    from streams.ingest import attach  # noqa: PLC0415  a stage loads only what it runs

    attach(app, settings.stream)


def _watch(app: App, settings: Settings) -> None:
    from detectors.stage import attach  # noqa: PLC0415

    attach(app, settings.detection, settings.stream)


def _respond(app: App, settings: Settings) -> None:
    from detectors.incidents.stage import attach  # noqa: PLC0415

    attach(app, settings.detection, cluster=settings.cluster)


def _alert(app: App, settings: Settings) -> None:
    from detectors.alerts.stage import attach  # noqa: PLC0415

    attach(app, settings.detection, settings.stream)


def _plan(app: App, settings: Settings) -> None:
    from autoscaler.stage import attach  # noqa: PLC0415

    attach(app, settings.scaling, settings.backend, settings.stream, cluster=settings.cluster)


def _drive(app: App, settings: Settings) -> None:
    from autoscaler.reconcile import attach  # noqa: PLC0415

    attach(app, settings.backend, settings.scaling, settings.stream, settings.cluster)


def _sink(app: App, settings: Settings) -> None:
    from streams.sinks.stage import attach  # noqa: PLC0415

    attach(app, settings.stream)


STAGES: Final[Mapping[str, Callable[[App, Settings], None]]] = {
    "ingest": _ingest,
    "watch": _watch,
    "respond": _respond,
    "alert": _alert,
    "plan": _plan,
    "drive": _drive,
    "sink": _sink,
}
"""Every stage in the order of the flow; each runs in a process of its own."""


GARBAGE_AFTER: Final = 20_000
"""Objects that may hold others made, less those gone, before a look for cycles among the newest."""


def run_stage(
    stage: str, settings: Settings, metrics_port: int = 0, pulse: Path | None = None
) -> int:
    """Run one stage until a signal; its exit code. pulse: file with signs of life to write."""
    share_one_heap()
    app = create_app(stage, settings.stream)
    STAGES[stage](app, settings)
    watchdog = Watchdog(
        app.vitals,
        stuck_after_s=settings.stream.stuck_after_s,
        pulse=pulse,
        end=end_process,
    )
    show_from_start(stage)
    # What is there now stays; records are many, short-lived and hold no cycles.
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    if metrics_port:
        serve_metrics(metrics_port, lambda: watchdog.verdict)
    watchdog.start()
    try:
        return run_app(app)
    finally:
        watchdog.stop()


def run_gateway(settings: Settings) -> int:
    from model_backend.gateway.run import run_gateway as run  # noqa: PLC0415

    return run(settings.backend, settings.stream, settings.cluster)


def run_agent(settings: Settings) -> int:
    from streams.sources.agent import run_agent as run  # noqa: PLC0415

    return run(settings.stream, cluster=settings.cluster, scrape=settings.scrape)


def run_receive(settings: Settings) -> int:
    from streams.receive.run import run_receiver as run  # noqa: PLC0415

    return run(settings.stream, cluster=settings.cluster)


def run_edge(settings: Settings) -> int:
    from tidegate.edge.run import run  # noqa: PLC0415

    return run(settings)


def run_api(settings: Settings) -> int:
    from tidegate.api import run  # noqa: PLC0415

    return run(settings)


ROLES: Final[Mapping[str, Callable[[Settings], int]]] = {
    "agent": run_agent,
    "api": run_api,
    "edge": run_edge,
    "gateway": run_gateway,
    "receive": run_receive,
}
