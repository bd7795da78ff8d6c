"""docs/adopt/profile.md: what one replica behind a URL carries."""

import asyncio
import contextlib
import json
from pathlib import Path

from aiohttp import web

from autoscaler.engine import Engine
from tests.adopt.page import Page, run
from tests.autoscaler.profile.engine_door import EngineDoor, opened

ROOT = str(Path(__file__).parents[2])


async def test_a_replica_says_what_it_carries(tmp_path: Path) -> None:
    (command,) = Page("profile").commands()
    door = EngineDoor(Engine(batch_s=((0, 0.01), (4, 0.03)), prompt_token_s=0.0005, slots=4))
    running = asyncio.create_task(door.run())
    async with opened(
        web.post("/v1/chat/completions", door.complete), web.get("/v1/models", door.models)
    ) as url:
        typed = command.replace("http://127.0.0.1:18123", url)
        done = await asyncio.to_thread(run, typed, tmp_path, PYTHONPATH=ROOT)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running

    assert done.returncode == 0, done.stderr
    assert "changes nothing there" in done.stderr
    assert "requests in flight   4  identified" in done.stdout
    assert json.loads((tmp_path / "replica.json").read_bytes())["in_flight"]["identified"]


def test_what_is_not_of_this_machine_is_asked_only_with_consent(tmp_path: Path) -> None:
    done = run("tidegate profile http://192.0.2.1:8000", tmp_path, PYTHONPATH=ROOT)

    assert done.returncode == 2
    assert "of this machine, or --yes" in done.stderr
