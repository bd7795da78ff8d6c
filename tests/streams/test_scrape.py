"""Targets that answer, and all the ways in which they do not."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.clock import SECOND_US, system_clock
from streams.schemas.telemetry import EngineSample
from streams.sources.access import Access
from streams.sources.asking import Asker
from streams.sources.scrape import Scraper, accesses
from streams.sources.settings import ScrapeSettings
from streams.sources.target_meter import Reading
from streams.sources.targets import Target
from streams.sources.versions import About, about

PAGE = "vllm:num_requests_running 2\n"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUICK = ScrapeSettings(timeout_s=0.2)
OFTEN = ScrapeSettings(signals_every_s=0.5)


async def sound(_: web.Request) -> web.Response:
    return web.Response(text=PAGE)


async def frozen(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def drop_by_drop(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b"vllm")
        await asyncio.sleep(0.02)


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(PAGE.encode())
    while True:
        await answer.write(b"x 1\n" * 65_536)


async def login(_: web.Request) -> web.Response:
    raise web.HTTPFound("/sound?next=login")


async def html(_: web.Request) -> web.Response:
    return web.Response(text="<html>", content_type="text/html")


async def squeezed(_: web.Request) -> web.Response:
    return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})


async def ailing(_: web.Request) -> web.Response:
    return web.Response(status=503)


async def version(_: web.Request) -> web.Response:
    return web.json_response({"version": "0.33.0"})


async def stranger(_: web.Request) -> web.Response:
    return web.Response(text="node_load1 0.5\n")


ROUTES: dict[str, Answer] = {
    each.__name__: each
    for each in (
        version,
        sound,
        frozen,
        drop_by_drop,
        endless,
        login,
        html,
        squeezed,
        ailing,
        stranger,
    )
}


@pytest.fixture
async def served() -> AsyncIterator[str]:
    app = web.Application()
    for name, answer in ROUTES.items():
        app.router.add_get(f"/{name}", answer)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1)
    yield str(server.make_url("")).rstrip("/")
    await server.close()


def at(served: str, name: str) -> Target:
    return Target(url=f"{served}/{name}", pool="chat", replica=name)


async def read(settings: ScrapeSettings, *targets: Target) -> list[EngineSample]:
    scraper = Scraper(settings, accesses(settings), lambda _: None, lambda: 0)
    try:
        found = await asyncio.gather(*(scraper.read(each, 7) for each in targets))
        return [one for each in found for one in each if isinstance(one, EngineSample)]
    finally:
        await scraper.close()


async def engine(seen: asyncio.Queue[Reading]) -> EngineSample:
    record = await seen.get()
    assert isinstance(record, EngineSample)
    return record


@pytest.mark.parametrize(
    ("name", "up", "running"),
    [
        ("sound", 1, 2),
        ("endless", 1, 2),
        ("stranger", 1, None),
        ("frozen", 0, None),
        ("drop_by_drop", 0, None),
        ("login", 0, None),
        ("html", 0, None),
        ("squeezed", 0, None),
        ("ailing", 0, None),
    ],
)
async def test_what_a_target_is_taken_for(
    served: str, name: str, up: float, running: float | None
) -> None:
    settings = QUICK.model_copy(update={"timeout_s": 5.0}) if name == "endless" else QUICK

    [sample] = await read(settings, at(served, name))

    assert (sample.at_us, sample.up, sample.running) == (7, up, running)


async def test_nobody_waits_for_a_bad_neighbour(served: str) -> None:
    samples = await read(QUICK, *(at(served, name) for name in ROUTES))

    fit = {sample.replica: sample.scrape_s or 9 for sample in samples if sample.up}
    assert fit["sound"] < 0.2
    assert fit["stranger"] < 0.2


async def test_an_address_where_nobody_is_gives_up_0() -> None:
    [sample] = await read(QUICK, at("http://127.0.0.1:1", "gone"))

    assert sample.up == 0


async def test_trouble_is_said_once(served: str, capsys: pytest.CaptureFixture[str]) -> None:
    watched = at(f"{served.replace('//', '//user:secret@')}", "html")
    seen: list[EngineSample] = []
    enough = asyncio.Event()

    def take(sample: Reading) -> None:
        assert isinstance(sample, EngineSample)
        seen.append(sample)
        if len(seen) == 3:
            enough.set()

    scraper = Scraper(OFTEN, accesses(OFTEN), take, system_clock)
    scraper.aim([watched])
    async with asyncio.timeout(10):
        await enough.wait()
    await scraper.close()

    out = capsys.readouterr()
    assert (out.out + out.err).count("not_metrics") == 1
    assert "secret" not in out.out + out.err
    assert {b.at_us - a.at_us for a, b in pairwise(seen)} == {SECOND_US // 2}


async def test_when_we_stood_still_ourselves_nobody_is_called_silent(served: str) -> None:
    scraper = Scraper(QUICK, accesses(QUICK), lambda _: None, lambda: 0)
    try:
        reading = asyncio.create_task(scraper.read(at(served, "frozen"), 7))
        await asyncio.sleep(0.15)  # Into a beat that this thread then holds up.
        threading.Event().wait(0.5)
        sample = await reading
    finally:
        await scraper.close()

    assert sample == []


async def test_targets_come_and_go(served: str) -> None:
    seen = asyncio.Queue[Reading]()
    scraper = Scraper(OFTEN, accesses(OFTEN), seen.put_nowait, system_clock)
    async with asyncio.timeout(10):
        scraper.aim([at(served, "sound"), at(served, "stranger")])
        while {(await engine(seen)).replica, (await engine(seen)).replica} != {"sound", "stranger"}:
            pass
        scraper.aim([at(served, "sound")])
        while not seen.empty():
            seen.get_nowait()
        left = {(await engine(seen)).replica for _ in range(3)}
    await scraper.close()

    assert left == {"sound"}


async def test_an_engine_is_asked_for_its_version(served: str) -> None:
    seen = asyncio.Queue[Reading]()
    scraper = Scraper(OFTEN, accesses(OFTEN), seen.put_nowait, system_clock)
    async with asyncio.timeout(10):
        scraper.aim([at(served, "sound")])
        found = [(await engine(seen)).version for _ in range(2)]
    await scraper.close()

    assert found == ["", "0.33.0"]


@pytest.mark.parametrize(
    ("engine", "path", "answer", "said"),
    [
        pytest.param(
            "llamacpp", "/props", {"build_info": "b7", "model_path": "/models/gemma.gguf"},
            About("b7", "gemma.gguf"), id="the-file-of-llama-cpp",
        ),
        pytest.param(
            "tgi", "/info", {"version": "3.1", "model_id": "org/gemma"},
            About("3.1", "org/gemma"), id="the-model-of-tgi",
        ),
        pytest.param("tgi", "/info", {"version": 3, "model_id": None}, About(), id="nonsense"),
        pytest.param("tgi", "/info", [], About(), id="no-object"),
        pytest.param("tgi", "/other", {}, About(), id="no-answer"),
        pytest.param("triton", "/info", {"version": "3"}, About(), id="nobody-to-ask"),
    ],
)  # fmt: skip
async def test_what_a_page_does_not_say_is_asked_for(
    engine: str, path: str, answer: object, said: About
) -> None:
    async def answered(_: web.Request) -> web.Response:
        return web.json_response(answer)

    app = web.Application()
    app.router.add_get(path, answered)
    async with TestServer(app) as server, Asker(Access(), timeout_s=5) as asker:
        found = await about(engine, str(server.make_url("/metrics")), asker)

    assert found == said


async def test_pages_under_way_have_room_together(
    served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.sources.asking.MAX_HELD", 1000)

    [sample] = await read(QUICK, at(served, "endless"))

    assert sample.up == 0
