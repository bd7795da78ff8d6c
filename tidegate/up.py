"""`tidegate up`: prepare, start everything on one machine, play, stop, report."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from model_backend.replicas.llama_engine import default_model_path
from streams.admin import create_topics, delete_topics
from streams.clock import SECOND_US, system_clock
from streams.embedded import embedded_broker_command
from streams.errors import TidegateError
from streams.reader import TopicReader
from streams.settling import settle
from tidegate.demo import measure
from tidegate.demo.performance import Performance
from tidegate.demo.plan import DemoPlan, Ports, cap_for, demo_settings
from tidegate.demo.trace import Pace
from tidegate.demo.webhook import WebhookReceiver
from tidegate.observer import TOPICS, Observer
from tidegate.ports import free_port, require_free
from tidegate.probes import require_broker, stage_counts, wait_until_ready
from tidegate.report import Run, build
from tidegate.runfiles import RunFile
from tidegate.settings import Settings
from tidegate.settings_file import write_settings
from tidegate.status import Status
from tidegate.supervisor import Supervisor
from tidegate.usage import CpuMeter
from tidegate.wiring import STAGES
from tidegate.worker import stage_command

SETTLE_S: Final = 8.0
"""What the last requests caused must come through before all is stopped."""
EXIT_BAD_RUN: Final = 3
EXIT_INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    duration_s: float = 0.0
    """0 is until Ctrl-C."""
    report: str = ""
    broker: str = ""
    seed: int = 0
    faults: bool = True


class Up:
    """One run."""

    def __init__(self, settings: Settings, options: Options, console: Console) -> None:
        self.options = options
        self.base = settings
        self.status = Status(console)
        self.observer = Observer(system_clock)
        self.stop = asyncio.Event()
        self.meter = CpuMeter()
        self.run = Run(seed=options.seed, start_us=system_clock(), broker="", delivery="")
        self._began_us = system_clock()
        self._metrics: dict[str, int] = {}
        self._performance: Performance | None = None

    async def __call__(self) -> int:
        """The exit code: 3 when a stage stayed silent or a process had to be given up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)
        ports = self._ports()
        with tempfile.TemporaryDirectory(prefix="tidegate-") as name:
            plan = await self._prepare(Path(name), ports)
            async with self._everything(Path(name), plan) as supervisor:
                await self._play(plan, supervisor)
        return self._finish()

    def _ports(self) -> Ports:
        api, gateway = self.base.api.port, self.base.backend.gateway.port
        require_free(api, "control API and page", "TIDEGATE_API__PORT")
        require_free(gateway, "gateway", "TIDEGATE_BACKEND__GATEWAY__PORT")
        return Ports(broker=free_port(), gateway=gateway, api=api, webhook=free_port())

    async def _prepare(self, folder: Path, ports: Ports) -> DemoPlan:
        if self.options.broker:
            await require_broker(self.options.broker)
        else:
            embedded_broker_command(ports.broker)
        self._say("preparing the language model (Gemma 3 270M, under Google's Gemma Terms of Use)")
        model = str(await asyncio.to_thread(default_model_path))
        speed = await measure.tokens_per_s(model, folder)
        cap = cap_for(speed)
        self.run.machine = {
            "cores": os.cpu_count(),
            "tokens_per_s_one_thread": round(speed, 1),
            "cap_tokens_per_s": cap,
        }
        self._say(f"one core makes {speed:.0f} tokens/s; demo cap {cap:g} tokens/s a replica")
        return demo_settings(
            self.base,
            ports=ports,
            folder=folder,
            model_path=model,
            cap_tokens_per_s=cap,
            broker=self.options.broker,
            # Topics of an earlier run on the same broker would tell an earlier story.
            prefix=f"tidegate-demo-{os.getpid()}." if self.options.broker else "tidegate.",
        )

    @contextlib.asynccontextmanager
    async def _everything(self, folder: Path, plan: DemoPlan) -> AsyncIterator[Supervisor]:
        settings = plan.settings
        self.run.broker = settings.stream.broker.url if self.options.broker else "embedded"
        self.run.delivery = settings.stream.broker.delivery
        write_settings(settings, folder / "settings.json")
        supervisor = Supervisor(
            folder,
            _environment(folder / "settings.json"),
            frozen_after_s=settings.stream.stuck_after_s,
            bury=partial(settle, settings.stream),
        )
        receiver = WebhookReceiver(plan.webhook_secret)
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(receiver.stop)
            undo.push_async_callback(supervisor.stop)
            await receiver.start(plan.ports.webhook)
            await self._start(supervisor, settings)
            if self.options.broker:
                undo.push_async_callback(self._delete_topics, settings)
            feeding = asyncio.create_task(self._feed(settings))
            undo.callback(feeding.cancel)
            RunFile(
                pid=os.getpid(),
                api=plan.ports.api_url,
                gateway=plan.ports.gateway_url,
                settings=str(folder / "settings.json"),
            ).write()
            undo.callback(RunFile.remove)
            yield supervisor
            self.run.webhook = receiver.counts()
            self.run.errors += supervisor.last_words()

    async def _start(self, supervisor: Supervisor, settings: Settings) -> None:
        if not self.options.broker:
            port = int(settings.stream.broker.url.rpartition(":")[2])
            await supervisor.start("broker", embedded_broker_command(port))
        await require_broker(settings.stream.broker.url)
        await create_topics(settings.stream)
        self._say("starting 7 stages, gateway, agent, API and page")
        for stage in STAGES:
            port = self._metrics[stage] = free_port()
            pulse = supervisor.folder / f"{stage}.pulse"
            await supervisor.start(stage, stage_command(stage, port, pulse), pulse=pulse)
        command = [sys.executable, "-m", "tidegate"]
        for role in ("gateway", "agent", "api"):
            await supervisor.start(role, [*command, role])

    async def _play(self, plan: DemoPlan, supervisor: Supervisor) -> None:
        with self.status:
            ready = wait_until_ready(self.observer.seen, supervisor, plan.ports)
            if not await _unless(self.stop, ready):
                return
            self.run.start_us = system_clock()
            self.run.first_caption_s = (self.run.start_us - self._began_us) / SECOND_US
            performance = self._performance = Performance(
                plan=plan,
                # A slower machine gets a smaller share of the traffic.
                pace=Pace(codex_per_s=self.run.machine["cap_tokens_per_s"] / 12.0),
                seed=self.options.seed,
                duration_s=self.options.duration_s,
                observer=self.observer,
                caption=self._caption,
                start_us=self.run.start_us,
            )
            self._caption(f"0:00 traffic flows; page {plan.ports.api_url}")
            self.meter.reset(supervisor.pids())
            watching = asyncio.create_task(self._watch(supervisor, plan.ports.api_url))
            self.run.errors += await performance.play(self.stop, faults=self.options.faults)
            await asyncio.sleep(SETTLE_S)
            watching.cancel()
            await self._collect(supervisor)

    async def _watch(self, supervisor: Supervisor, page: str) -> None:
        beat = 0
        while True:
            down = [c.name for c in supervisor.children.values() if not c.running]
            elapsed_s = (system_clock() - self.run.start_us) // SECOND_US
            self.status.update(self.observer.seen, elapsed_s, page, down)
            beat += 1
            if beat % 8 == 0:
                self.meter.sample(supervisor.pids())
            if supervisor.failed:
                self.stop.set()
            await asyncio.sleep(0.5)

    async def _collect(self, supervisor: Supervisor) -> None:
        self.run.end_us = system_clock()
        self.meter.sample(supervisor.pids())
        self.run.cpu = self.meter.result()
        for stage, port in self._metrics.items():
            restarts = float(supervisor.children[stage].restarts)
            self.run.stages[stage] = {**await stage_counts(port), "restarts": restarts}

    async def _feed(self, settings: Settings) -> None:
        async with TopicReader(settings.stream, TOPICS) as reader:
            async for messages in reader.batches():
                self.observer.feed(messages)

    async def _delete_topics(self, settings: Settings) -> None:
        with contextlib.suppress(TidegateError):
            await delete_topics(settings.stream)

    def _finish(self) -> int:
        if self._performance is None or not self.run.stages:
            return EXIT_INTERRUPTED
        told = self._performance.story
        report = build(self.run, self.observer.seen, self._performance.tally, told)
        if self.options.report:
            Path(self.options.report).write_text(json.dumps(report, indent=1) + "\n")
        if told.scored:
            self._say(report["verdict"])
        if self.run.silent:
            self._say(f"silent stages: {', '.join(self.run.silent)}")
        for error in self.run.errors:
            self._say(error)
        return EXIT_BAD_RUN if self.run.silent or self.run.errors else 0

    def _say(self, text: str) -> None:
        self.status.say(f"tidegate: {text}")

    def _caption(self, text: str) -> None:
        self.run.captions.append(text)
        self.status.say(text)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """True when the work is done, False when ``stop`` came first; its errors are raised."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        return False
    working.result()
    return True


def _environment(config: Path) -> dict[str, str]:
    """The child's settings are all in its file: our own variables must not override them."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
    return {
        **ours,
        "TIDEGATE_CONFIG": str(config),
        "TIDEGATE_DEMO": "1",
        "PYTHONUNBUFFERED": "1",
        # What a killed child leaves in its temporary folder goes with ours.
        "TMPDIR": str(config.parent),
        # One thread each: the numeric libraries would otherwise fight over the cores.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
