"""docs/adopt/python.md: a wheel in an empty environment, the page's example, windows."""

import os
import shutil
import sys
from pathlib import Path

import httpx
import pytest

from streams.admin import create_topics
from tests.adopt.page import Page, run
from tests.clients.ingested import ingested
from tests.streams.toys import new_prefix, toy_settings

ROOT = Path(__file__).parents[2]
SAME = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "SSL_"))}


@pytest.mark.broker
async def test_the_page_works_in_an_empty_environment(broker_url: str, tmp_path: Path) -> None:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    page = Page("python")
    page.lay(tmp_path)
    shutil.copytree(ROOT / "clients/python", tmp_path / "checkout/clients/python")
    variables = {
        **SAME,
        "TIDEGATE": "./checkout",
        "TIDEGATE_CLIENT_BROKER": settings.broker.bootstrap,
        "TIDEGATE_CLIENT_PREFIX": settings.topics.prefix,
    }
    install, serve = page.commands()
    installed = run(install, tmp_path, timeout_s=120, **variables)
    if "Could not fetch" in installed.stderr or "No matching distribution" in installed.stderr:
        pytest.skip("no package index at hand")
    served = run(serve, tmp_path, timeout_s=60, **variables)

    assert served.stdout.startswith("Counters(emitted=202, adopted=0, sent=202, waiting=0"), served
    sums, letters = await ingested(settings, 101)
    assert (sums["arrived"], sums["finished"], sums["output_tokens"], letters) == (101, 101, 40, 0)


async def test_the_pages_application_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Page("python").lay(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    app = __import__("app").app
    sys.modules.pop("app")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://service"
    ) as client:
        assert (await client.get("/answer")).json() == "so it goes"
