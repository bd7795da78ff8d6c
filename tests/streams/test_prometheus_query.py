"""A query API in every mood: errors, warnings, parts missing, and a real one that has limits."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from streams.clock import system_clock
from streams.errors import SourceUnavailableError
from streams.sources.access import Access
from streams.sources.asking import Asker
from streams.sources.prometheus_query import PrometheusQuery
from streams.sources.prometheus_series import SERIES, Series
from tests.looked_at import scraping
from tests.services.engine_pages import EnginePage

S = 1_000_000


@pytest.fixture
def api() -> Iterator[EnginePage]:
    with EnginePage() as api:
        api.headers = {"Content-Type": "application/json"}
        yield api


def answer(*results: dict[str, object], **more: object) -> bytes:
    data = {"resultType": "matrix", "result": results}
    return json.dumps({"status": "success", "data": data} | more).encode()


async def refused(api: EnginePage) -> str:
    async with Asker(Access(), timeout_s=5) as asker:
        with pytest.raises(SourceUnavailableError) as caught:
            await PrometheusQuery(asker, api.url).samples(["a"], (), 0, 60 * S)
    return str(caught.value)


async def test_samples_have_their_own_instants_and_each_is_had_once(api: EnginePage) -> None:
    metric = {"__name__": "vllm:num_requests_running", "job": "vllm", "instance": "a:1"}
    values = [[10.0, "1"], [25.001, "2"], [40.0, "NaN"]]
    api.body = answer({"metric": metric, "values": values})
    async with Asker(Access(), timeout_s=5) as asker:
        found = await PrometheusQuery(asker, api.url).samples(["a"], (), 10 * S, 60 * S)
    assert [at_us for at_us, _ in found[0].points] == [25_001_000, 40 * S]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        pytest.param(
            422,
            b'{"status":"error","errorType":"execution","error":"query timed out"}',
            "answers 422: execution: query timed out",
            id="says-why",
        ),
        pytest.param(503, b"upstream connect error", "answers 503", id="a-proxy-says-it"),
        pytest.param(200, b"<html>", "has no query API at /api/v1", id="a-web-page"),
        pytest.param(200, b'{"ok":true}', "has no query API at /api/v1", id="other-json"),
        pytest.param(401, b"", "asks who we are (401)", id="a-stranger"),
        pytest.param(
            200,
            b'{"status":"success","data":{"result":[{"metric":{"a":1}}]}}',
            "in a form that we do not know",
            id="strange-results",
        ),
    ],
)
async def test_an_error_is_told_in_its_own_words(
    api: EnginePage, status: int, body: bytes, said: str
) -> None:
    api.status, api.body = status, body
    assert said in await refused(api)


async def test_what_an_answer_lacks_is_remembered(api: EnginePage) -> None:
    api.body = answer(warnings=["store b is not reachable"], isPartial=True)
    async with Asker(Access(), timeout_s=5) as asker:
        query = PrometheusQuery(asker, api.url)
        await query.samples(["a"], (), 0, 60 * S)
    assert query.warnings == {"store b is not reachable", "part of its storage did not answer"}


async def test_one_that_refuses_even_the_shortest_time_is_not_asked_for_ever(
    api: EnginePage,
) -> None:
    api.status = 422
    api.body = b'{"status":"error","errorType":"execution","error":"too many samples"}'
    assert "too many samples" in await refused(api)
    assert len(api.asked) < 10


class Real(NamedTuple):
    url: str
    page: str


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """It loads 45 samples at most, and one of its two targets is silent."""
    folder = tmp_path_factory.mktemp("prometheus")
    with EnginePage() as page:
        targets = {"vllm": ["127.0.0.1:1", page.netloc]}
        flags = ["--query.max-samples=45"]
        with scraping(folder, targets, scrapes=6, flags=flags) as prometheus:
            yield Real(prometheus.url, page.netloc)


@pytest.mark.slow
async def test_a_piece_that_is_too_much_for_it_is_asked_for_in_halves(real: Real) -> None:
    async with Asker(Access(), timeout_s=5) as asker:
        now_us = system_clock()
        found = await PrometheusQuery(asker, real.url).samples(SERIES, (), now_us - 60 * S, now_us)
    running = [
        at_us
        for one in found
        if one.labels["__name__"] == "vllm:num_requests_running"
        for at_us, _ in one.points
    ]
    assert len(running) == len(set(running)) >= 5


@pytest.mark.slow
async def test_a_real_one_says_what_it_scrapes_and_who_is_silent(real: Real) -> None:
    async with Asker(Access(), timeout_s=5) as asker:
        query = PrometheusQuery(asker, real.url)
        version, present = await query.version(), await query.present(SERIES)
        scraped = await query.scraped({"vllm"})
    assert version.startswith("2.")
    assert {labels["instance"] for labels in present} == {real.page}
    assert {(key.instance, up) for key, up in scraped} == {
        ("127.0.0.1:1", False),
        (real.page, True),
    }


@pytest.mark.slow
async def test_whole_series_of_one_pool_are_put_together_from_pieces(real: Real) -> None:
    async with Asker(Access(), timeout_s=5) as asker:
        query, now_us = PrometheusQuery(asker, real.url), system_clock()
        span_us = (now_us - 60 * S, now_us)
        whole = await query.samples(SERIES, (), *span_us)
        pieces = await query.selected(SERIES, f'instance="{real.page}"', span_us, 7 * S)
        none = await query.selected(SERIES, 'instance="elsewhere"', span_us, 60 * S)

    def points(of: list[Series]) -> int:
        return sum(len(one.points) for one in of)

    assert points(pieces) == points(whole) > 0
    assert len({frozenset(one.labels.items()) for one in pieces}) == len(pieces)
    assert none == []
