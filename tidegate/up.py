"""`tidegate up`: everything on one machine, one story at a time."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from streams.admin import create_topics, delete_topics
from streams.reader import TopicReader

from streams.clock import SECOND_US, system_clock
from streams.embedded import embedded_broker_command
from streams.errors import BrokerUnavailableError, TidegateError
from streams.schemas.incidents import Incident
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import Change
from tidegate.demo import measure
from tidegate.demo.faults import FAULTS, Fault, NoTargetError, Scene
from tidegate.demo.load import Client, Tally, replay
from tidegate.demo.plan import DemoPlan, Ports, cap_for, demo_settings
from tidegate.demo.story import Act, Story, acts
from tidegate.demo.trace import Pace, plan
from tidegate.demo.webhook import WebhookReceiver
from tidegate.observer import TOPICS, Observer
from tidegate.ports import free_port, require_free
from tidegate.report import Run, build
from tidegate.runfiles import RunFile
from tidegate.settings import Settings
from tidegate.settings_file import write_settings
from tidegate.status import Status
from tidegate.supervisor import Supervisor
from tidegate.usage import CpuMeter
from tidegate.wiring import STAGES

READY_S: Final = 90.0
SETTLE_S: Final = 8.0
FOREVER_S: Final = 10.0**9
EXIT_SILENT: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    duration_s: float = 0.0
    report: str = ""
    broker: str = ""
    seed: int = 0
    faults: bool = True


class Up:
    """One run: prepares, starts, watches, tells, stops, reports."""

    def __init__(self, settings: Settings, options: Options, console: Console) -> None:
        self.options = options
        self.base = settings
        self.status = Status(console)
        self.observer = Observer(system_clock)
        self.tally = Tally()
        self.pace = Pace()
        self.stop = asyncio.Event()
        self.meter = CpuMeter()
        self.run = Run(seed=options.seed, start_us=system_clock(), broker="", delivery="")
        self.story = Story(self.run.start_us)
        self._metrics: dict[str, int] = {}

    async def __call__(self) -> int:
        """The exit code: 0, or 3 when a stage stayed silent or a child could not be kept up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)
        ports = self._ports()
        began_us = system_clock()
        with tempfile.TemporaryDirectory(prefix="tidegate-") as name:
            folder = Path(name)
            plan_ = await self._prepare(folder, ports)
            async with self._everything(folder, plan_) as supervisor:
                if not self.stop.is_set():
                    await self._play(plan_, supervisor, began_us)
        return self._finish()

    def _ports(self) -> Ports:
        api, gateway = self.base.api.port, self.base.backend.gateway.port
        require_free(api, "control API and page", "TIDEGATE_API__PORT")
        require_free(gateway, "gateway", "TIDEGATE_BACKEND__GATEWAY__PORT")
        return Ports(broker=free_port(), gateway=gateway, api=api, webhook=free_port())

    async def _prepare(self, folder: Path, ports: Ports) -> DemoPlan:
        if self.options.broker:
            await _require_broker(self.options.broker)
        else:
            embedded_broker_command(ports.broker)
        self._say("preparing the language model (Gemma 3 270M, under Google's Gemma Terms of Use)")
        model = await asyncio.to_thread(measure.model_path)
        speed = await measure.tokens_per_s(model, folder)
        cap = cap_for(speed)
        self.run.machine = {
            "cores": os.cpu_count(),
            "tokens_per_s_one_thread": round(speed, 1),
            "cap_tokens_per_s": cap,
        }
        self._say(
            f"this machine makes {speed:.0f} tokens/s on one core; demo cap {cap:g} tokens/s a replica"
        )
        # A share of the tokens that a full pool may make, so that a slower machine has a slower demo.
        self.pace = Pace(codex_per_s=cap / 12.0)
        # Topics of an earlier run on the same broker would tell an earlier story.
        prefix = f"tidegate-demo-{os.getpid()}." if self.options.broker else "tidegate."
        return demo_settings(
            self.base,
            ports=ports,
            folder=folder,
            model_path=model,
            cap_tokens_per_s=cap,
            broker=self.options.broker,
            prefix=prefix,
        )

    @contextlib.asynccontextmanager
    async def _everything(self, folder: Path, plan_: DemoPlan) -> AsyncIterator[Supervisor]:
        settings = plan_.settings
        self.run.broker = "embedded" if not self.options.broker else settings.stream.broker.url
        self.run.delivery = settings.stream.broker.delivery
        config = folder / "settings.json"
        write_settings(settings, config)
        supervisor = Supervisor(folder, _environment(config))
        receiver = WebhookReceiver(plan_.webhook_secret)
        webhook_port = int(settings.detection.channels[0].url.rpartition(":")[2].split("/")[0])
        feeding: asyncio.Task[None] | None = None
        try:
            await receiver.start(webhook_port)
            await self._start(supervisor, settings)
            feeding = asyncio.create_task(self._feed(settings))
            RunFile(
                pid=os.getpid(),
                api=f"http://127.0.0.1:{settings.api.port}",
                gateway=f"http://127.0.0.1:{settings.backend.gateway.port}",
                settings=str(config),
            ).write()
            yield supervisor
        finally:
            self.run.webhook = {
                "delivered": len(receiver.delivered),
                "repeated": receiver.repeated,
                "refused": receiver.refused,
            }
            self.run.errors += _last_words(supervisor)
            RunFile.remove()
            if feeding is not None:
                feeding.cancel()
            if self.options.broker:
                with contextlib.suppress(TidegateError):
                    await delete_topics(settings.stream)
            await supervisor.stop()
            await receiver.stop()

    async def _start(self, supervisor: Supervisor, settings: Settings) -> None:
        if not self.options.broker:
            port = int(settings.stream.broker.url.rpartition(":")[2])
            await supervisor.start("broker", embedded_broker_command(port))
        await _require_broker(settings.stream.broker.url)
        await create_topics(settings.stream)
        self._say("starting 7 stages, gateway, agent, API and page")
        command = [sys.executable, "-m", "tidegate"]
        for stage in STAGES:
            port = self._metrics[stage] = free_port()
            await supervisor.start(
                stage, [*command, "worker", "--stages", stage, "--metrics-port", str(port)]
            )
        for role in ("gateway", "agent", "api"):
            await supervisor.start(role, [*command, role])

    async def _play(self, plan_: DemoPlan, supervisor: Supervisor, began_us: int) -> None:
        settings = plan_.settings
        gateway = f"http://127.0.0.1:{settings.backend.gateway.port}"
        page = f"http://127.0.0.1:{settings.api.port}"
        with self.status:
            await self._wait_until_ready(supervisor, gateway, page)
            if self.stop.is_set():
                return
            self.run.start_us = self.story.start_us = system_clock()
            self.run.first_caption_s = (self.run.start_us - began_us) / SECOND_US
            self._caption(f"0:00 traffic flows; page {page}  gateway {gateway}")
            self.meter.reset(_pids(supervisor))
            self.observer.on_incident = self._incident
            self.observer.on_change = self._change
            async with Client(gateway, plan_.keys, system_clock, self.tally) as client:
                await self._traffic_and_faults(client, supervisor, page)
            # What the last requests caused must come through before all is stopped.
            await asyncio.sleep(SETTLE_S)
            await self._collect(supervisor)
            self.run.end_us = system_clock()

    async def _traffic_and_faults(self, client: Client, supervisor: Supervisor, page: str) -> None:
        done = asyncio.Event()
        background: list[Coroutine[Any, Any, None]] = [
            replay(client, plan(self.pace, self.options.seed), done),
            self._watch(supervisor, page, done),
        ]
        if self.options.faults:
            background.append(self._tell(client))
        tasks = [asyncio.create_task(work) for work in background]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), self.options.duration_s or FOREVER_S)
        done.set()
        if len(tasks) > 2:
            tasks[2].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        self.run.errors += [
            f"{type(r).__name__}: {r}"
            for r in results
            if isinstance(r, Exception) and not isinstance(r, asyncio.CancelledError)
        ]

    async def _tell(self, client: Client) -> None:
        """Bring about one fault after the other."""
        rng = np.random.default_rng(self.options.seed + 1_000)
        scene = Scene(
            replicas=self._replicas, client=client, clock=system_clock, rng=rng, pace=self.pace
        )
        start = asyncio.get_running_loop().time()
        for act in acts(rng, self.options.duration_s or FOREVER_S):
            await asyncio.sleep(max(0.0, start + act.at_s - asyncio.get_running_loop().time()))
            await self._perform(act, scene)

    async def _perform(self, act: Act, scene: Scene) -> None:
        fault: Fault = FAULTS[act.fault]()
        try:
            truth = await fault.begin(scene, "")
        except NoTargetError as exc:
            self._caption(f"{self.story.minute(system_clock())} no {act.fault}: {exc}")
            return
        self._caption(self.story.begun(truth))
        try:
            await fault.hold(scene, act.hold_s)
        finally:
            await fault.end(scene)

    async def _replicas(self) -> list[ReplicaStatus]:
        return list(self.observer.seen.replicas.values())

    async def _feed(self, settings: Settings) -> None:
        async with TopicReader(settings.stream, TOPICS) as reader:
            async for messages in reader.batches():
                self.observer.feed(messages)

    async def _watch(self, supervisor: Supervisor, page: str, done: asyncio.Event) -> None:
        beat = 0
        while not done.is_set():
            down = [c.name for c in supervisor.children.values() if not c.running]
            clock = self.story.minute(system_clock())
            self.status.update(self.observer.seen, clock, page, down)
            beat += 1
            if beat % 8 == 0:
                self.meter.sample(_pids(supervisor))
            if supervisor.failed:
                self.stop.set()
            await asyncio.sleep(0.5)

    async def _wait_until_ready(self, supervisor: Supervisor, gateway: str, page: str) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + READY_S
        waiting = "the stages"
        while loop.time() < until and not self.stop.is_set():
            waiting = await self._not_ready(gateway, page)
            if not waiting:
                return
            if supervisor.failed:
                break
            await asyncio.sleep(0.3)
        if not self.stop.is_set():
            said = "\n".join(_last_words(supervisor)) or "no process said anything"
            raise TidegateError(f"{waiting} did not become ready within {READY_S:g} s:\n{said}")

    async def _not_ready(self, gateway: str, page: str) -> str:
        seen = self.observer.seen
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            for what, url in (("gateway", gateway + "/health"), ("API", page + "/v1/health")):
                try:
                    async with session.get(url) as answer:
                        await answer.read()
                except (aiohttp.ClientError, TimeoutError):
                    return f"the {what}"
        if not seen.events_through_us:
            return "the first final window"
        unready = [p.pool for p in seen.pools.values() if not p.ready]
        return f"pool {unready[0]}" if unready else "" if seen.pools else "any pool"

    def _incident(self, incident: Incident, seen_us: int) -> None:
        if caption := self.story.incident(incident, seen_us):
            self._caption(caption)

    def _change(self, change: Change, seen_us: int) -> None:
        if caption := self.story.change(change, seen_us):
            self._caption(caption)

    def _say(self, text: str) -> None:
        self.status.say(f"tidegate: {text}")

    def _caption(self, text: str) -> None:
        self.run.captions.append(text)
        self.status.say(text)

    async def _collect(self, supervisor: Supervisor) -> None:
        self.meter.sample(_pids(supervisor))
        self.run.cpu = self.meter.result()
        for stage, port in self._metrics.items():
            child = supervisor.children[stage]
            self.run.stages[stage] = {
                **await _stage_counts(port),
                "restarts": child.restarts,
            }
        for name in supervisor.failed:
            self.run.errors.append(f"{name} ended {len(supervisor.children[name].ended)} times")

    def _finish(self) -> int:
        if not self.run.stages:
            return 130 if self.stop.is_set() else 1
        report = build(self.run, self.observer.seen, self.tally, self.story.scored)
        if self.options.report:
            Path(self.options.report).write_text(json.dumps(report, indent=1) + "\n")
        if self.options.faults and self.story.scored:
            self._say(report["verdict"])
        if self.run.silent:
            self._say(f"silent stages: {', '.join(self.run.silent)}")
        return EXIT_SILENT if self.run.silent or self.run.errors else 0


def _environment(config: Path) -> dict[str, str]:
    """The child's settings are all in its file: our own variables must not override them."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
    return {
        **ours,
        "TIDEGATE_CONFIG": str(config),
        "TIDEGATE_DEMO": "1",
        "PYTHONUNBUFFERED": "1",
        # One thread each: the numeric libraries would otherwise fight over two cores.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


async def _require_broker(url: str, seconds: float = 20.0) -> None:
    host, _, port = url.removeprefix("kafka://").partition(",")[0].rpartition(":")
    cause = "no answer"
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 2)
        except (OSError, ValueError, TimeoutError) as exc:
            cause = str(exc) or type(exc).__name__
            await asyncio.sleep(0.2)
            continue
        writer.close()
        return
    raise BrokerUnavailableError(url, cause)


async def _stage_counts(port: int) -> dict[str, float]:
    """Counters of one stage from its /metrics; empty if it does not answer."""
    counts: dict[str, float] = {}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            text = await answer.text()
    except (aiohttp.ClientError, TimeoutError):
        return counts
    for family in text_string_to_metric_families(text):
        name = family.name.removeprefix("tidegate_stage_")
        if name in {"records_in", "records_out", "batches", "errors"}:
            counts[name] = sum(s.value for s in family.samples if s.name.endswith("_total"))
    return counts


def _pids(supervisor: Supervisor) -> dict[int, str]:
    return {c.pid: c.name for c in supervisor.children.values() if c.running}


def _last_words(supervisor: Supervisor) -> list[str]:
    return [
        f"{child.name} ended with code {child.ended[-1]}: {child.last_words()}"
        for child in supervisor.children.values()
        if child.ended
    ]
