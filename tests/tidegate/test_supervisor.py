import asyncio
import math
import os
import sys
from pathlib import Path

import psutil
import pytest

from streams.pulse import Pulse, read_pulse
from tidegate.supervisor import Supervisor

pytestmark = pytest.mark.slow  # processes start, freeze and are waited for

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


LIVES = """
import json, pathlib, sys, time
pulse = pathlib.Path(sys.argv[1])
for beat in range(1, int(sys.argv[2])):
    pulse.write_text(json.dumps({"stage": "watch", "beats": beat, "member_id": "m"}))
    time.sleep(0.1)
time.sleep(600)
"""


def lives(pulse: Path, beats: int) -> list[str]:
    return [sys.executable, "-c", LIVES, str(pulse), str(beats)]


async def test_one_that_freezes_is_killed_counted_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.supervisor.PULSE_S", 0.1)
    pulse = tmp_path / "watch.pulse"
    supervisor = Supervisor(tmp_path, os.environ, frozen_after_s=1.5)
    child = await supervisor.start("watch", lives(pulse, 5), pulse=pulse)

    while not child.ended:  # noqa: ASYNC110  another process decides when
        await asyncio.sleep(0.05)
    hangs = read_pulse(pulse).hangs
    while not child.restarts:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await supervisor.stop()

    assert (child.ended[0], hangs) == (-9, 1)


async def test_what_a_dead_child_left_is_settled_before_the_next_starts(tmp_path: Path) -> None:
    left: list[tuple[str, int]] = []
    pulse = tmp_path / "watch.pulse"

    async def bury(last: Pulse) -> None:
        left.append((last.member_id, child.restarts))

    supervisor = Supervisor(tmp_path, os.environ, bury=bury)
    child = await supervisor.start("watch", lives(pulse, 10_000), pulse=pulse)
    while not read_pulse(pulse).beats:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    psutil.Process(child.pid).kill()
    while not child.restarts:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await supervisor.stop()

    assert left == [("m", 0)]


async def test_one_with_wrong_settings_is_given_up_at_once(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, os.environ, max_restarts=math.inf)
    await supervisor.start("broken", [sys.executable, "-c", "raise SystemExit(2)"])

    await asyncio.wait_for(supervisor.gave_up.wait(), 20)
    await supervisor.stop()

    assert supervisor.failed == ["broken"]
