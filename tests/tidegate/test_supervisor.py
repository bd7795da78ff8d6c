import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from tidegate.supervisor import Supervisor

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]
HAS_A_CHILD = [
    sys.executable, "-u", "-c",
    "import subprocess, sys, time;"
    "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid);"
    "time.sleep(600)",
]  # fmt: skip
IGNORES_TERM = [
    sys.executable, "-u", "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf');"
    "time.sleep(600)",
]  # fmt: skip


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def said(path: Path) -> str:
    while not (path.exists() and path.read_text().strip()):  # noqa: ASYNC110  another process decides when
        await asyncio.sleep(0.02)
    return path.read_text().strip()


async def test_stop_leaves_no_child_and_no_grandchild(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, os.environ)
    child = await supervisor.start("parent", HAS_A_CHILD)
    grandchild = int(await said(tmp_path / "parent.log"))

    await supervisor.stop()

    assert not child.running
    assert gone(grandchild)


async def test_one_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.supervisor.STOP_S", 0.2)
    supervisor = Supervisor(tmp_path, os.environ)
    child = await supervisor.start("deaf", IGNORES_TERM)
    await said(tmp_path / "deaf.log")

    await supervisor.stop()

    assert not child.running


async def test_one_that_ends_is_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, os.environ)
    child = await supervisor.start("sleeper", SLEEPS)
    first = child.pid
    psutil.Process(first).kill()

    while child.pid == first:  # noqa: ASYNC110  another process decides when
        await asyncio.sleep(0.05)
    await supervisor.stop()

    assert child.ended == [-9]
    assert child.restarts == 1


async def test_one_that_always_fails_is_given_up_and_named(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, os.environ, max_restarts=0)
    await supervisor.start("broken", [sys.executable, "-c", "raise SystemExit('no model')"])

    await asyncio.wait_for(supervisor.gave_up.wait(), 20)
    await supervisor.stop()

    assert supervisor.failed == ["broken"]
    assert supervisor.children["broken"].last_words() == "no model"
