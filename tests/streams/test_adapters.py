"""An engine that lends itself to adapters is asked which of them are loaded, as vLLM answers."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.clock import system_clock
from streams.schemas.telemetry import EngineSample
from streams.sources import scrape
from streams.sources.access import Access
from streams.sources.asking import Asker
from streams.sources.loads import EngineLoads
from streams.sources.scrape import Scraper, accesses
from streams.sources.settings import ScrapeSettings
from streams.sources.target_meter import Reading
from streams.sources.targets import Target
from streams.sources.versions import loaded

PAGE = (
    'vllm:num_requests_running{model_name="gemma"} 2\n'
    'vllm:lora_requests_info{max_lora="4",running_lora_adapters="",waiting_lora_adapters=""} 1\n'
)
GEMMA = {"id": "gemma", "object": "model", "parent": None}
OFTEN = ScrapeSettings(signals_every_s=0.5)


def lora(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "root": f"/loras/{name}", "parent": "gemma"}


class Engine:
    """What it offers may be set; anything else than a list is nonsense."""

    def __init__(self, *offered: object) -> None:
        self.offered: object = list(offered)
        self.server = TestServer(self._app())

    def _app(self) -> web.Application:
        async def page(_: web.Request) -> web.Response:
            return web.Response(text=PAGE)

        async def models(_: web.Request) -> web.Response:
            return web.json_response({"object": "list", "data": self.offered})

        app = web.Application()
        app.router.add_get("/metrics", page)
        app.router.add_get("/v1/models", models)
        return app

    @property
    def url(self) -> str:
        return str(self.server.make_url("/metrics"))


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        pytest.param([GEMMA, lora("sql"), lora("chat")], "chat,sql", id="adapters-have-a-parent"),
        pytest.param([GEMMA], "-", id="none"),
        pytest.param("nonsense", "", id="nonsense-says-nothing"),
        pytest.param([{"name": "x"}], "", id="no-models"),
    ],
)
async def test_what_is_loaded(offered: object, said: str) -> None:
    engine = Engine()
    engine.offered = offered
    async with engine.server, Asker(Access(), timeout_s=5) as asker:
        assert await loaded(engine.url, asker) == said


async def test_loading_and_unloading_become_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "LOADED_EVERY_US", 1)
    loads, told = EngineLoads(), asyncio.Queue[str]()
    engine = Engine(GEMMA, lora("sql"))

    def take(sample: Reading) -> None:
        assert isinstance(sample, EngineSample)
        if sample.adapters_loaded == "sql":
            engine.offered = [GEMMA, lora("chat")]
        for change in loads.seen(sample):
            told.put_nowait(change.summary)

    async with engine.server, asyncio.timeout(10):
        scraper = Scraper(OFTEN, accesses(OFTEN), take, system_clock)
        scraper.aim([Target(url=engine.url, pool="chat", replica="a")])
        said = await told.get()
        await scraper.close()

    assert said == "a serves adapter chat instead of sql"
