"""docs/adopt/changes.md, typed, beside a stand-in for the API of Kubernetes that rolls out."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.batch import Message
from streams.codec import decode_record
from streams.schemas.telemetry import Change
from tests.adopt.doors import first, running, topics_at, variables
from tests.adopt.page import Page, environment, run
from tests.services.base import free_port
from tests.streams import engine_pages
from tests.streams.kubernetes.cluster import DEPLOYMENTS, Cluster, deployment, serving

PAGE = Page("changes")
OLD = "2025-12-30T00:00:00Z"


@asynccontextmanager
async def agent(command: str, folder: Path, more: Mapping[str, str]) -> AsyncIterator[None]:
    env = environment(folder, **more)
    process = subprocess.Popen(["bash", "-c", command], cwd=folder, env=env)  # noqa: ASYNC220  -- returns at once
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


class Restarting:
    """A page of vLLM that counts to five, again and again."""

    def __init__(self) -> None:
        self._served = 0

    async def page(self, _: web.Request) -> web.Response:
        self._served = self._served % 5 + 1
        return web.Response(body=engine_pages.old_vllm(self._served), content_type="text/plain")


@asynccontextmanager
async def engine() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/metrics", Restarting().page)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.mark.broker
async def test_rollouts_and_restarts_come_in_as_the_page_says(
    broker_url: str, tmp_path: Path
) -> None:
    settings, cluster = await topics_at(broker_url, "at_least_once"), Cluster()
    cluster.hold(DEPLOYMENTS, labelled("--max-model-len", "8192"))
    command = PAGE.commands()[0].replace("tidegate agent", "exec tidegate agent")
    PAGE.lay(tmp_path)

    async with asyncio.timeout(50), serving(cluster) as api, engine() as url:
        config = tmp_path / "tidegate.json"
        scrape = json.loads(config.read_text())["scrape"]
        ours = {"kubernetes_api": api, "targets": [f"{url} pool=codex replica=codex-0"]}
        config.write_text(json.dumps({"scrape": scrape | ours}))
        async with agent(command, tmp_path, variables(settings)):
            await cluster.was_asked(5, "watch", within_s=30)
            await cluster.put(DEPLOYMENTS, labelled("--max-model-len", "16384", generation=2))
            rollout = change_in(await first(settings, "changes", is_a("configured")))
            restart = change_in(await first(settings, "changes", is_a("model_loaded")))

    assert (rollout.pool, rollout.summary) == (
        "codex",
        "Deployment chat is rolled out: --max-model-len 8192 -> 16384 (by helm)",
    )
    assert restart.summary.startswith("codex-0 was started anew and loaded ")
    assert {path for path, _, _ in cluster.asked} <= allowed(tmp_path / "rbac.yaml")


@pytest.mark.broker
async def test_what_ci_says_comes_in(broker_url: str, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.proto.collector", reason="pip install tidegate[otlp]")
    settings, port = await topics_at(broker_url, "at_least_once"), free_port()
    _, receive, call = PAGE.commands()
    more = variables(settings, TIDEGATE_STREAM__RECEIVE__PORT=str(port))

    async with asyncio.timeout(40), running(receive, tmp_path, port, **more):
        typed = call.replace(":4318", f":{port}")
        done = await asyncio.to_thread(partial(run, typed, tmp_path, timeout_s=60.0, **more))
        assert json.loads(done.stdout) == {"changes": ["ci/run-42"]}, done.stderr
        change = change_in(await first(settings, "changes", is_a("deployed")))

    assert (change.pool, change.summary) == ("codex", "codex 1.2 to production")


def labelled(*args: str, generation: int = 1) -> dict[str, object]:
    found = deployment(*args, generation=generation, at=OLD)
    found["spec"]["template"]["metadata"]["labels"] = {"app": "codex"}
    return found


def allowed(role: Path) -> set[str]:
    """Paths that may be listed and watched."""
    rules = next(yaml.safe_load_all(role.read_text()))["rules"]
    spaced = "namespaces/models/"
    return {
        f"/apis/{group}/v1/{spaced}{name}"
        if group
        else f"/api/v1/{spaced if name == 'pods' else ''}{name}"
        for rule in rules
        for group in rule["apiGroups"]
        for name in rule["resources"]
        if rule["verbs"] == ["list", "watch"]
    }


def is_a(kind: str) -> Callable[[Message], bool]:
    return lambda message: change_in(message).kind == kind


def change_in(message: Message) -> Change:
    return decode_record(message.value or b"", Change)
