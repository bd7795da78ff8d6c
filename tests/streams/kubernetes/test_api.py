"""The client of the Kubernetes API against a stand-in: lists, watches, and all that goes wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from streams.sources.kubernetes import api
from streams.sources.kubernetes.api import Watching, api_at
from streams.sources.settings import ScrapeSettings
from tests.streams.kubernetes.cluster import PODS, Cluster, pod, serving
from tests.streams.kubernetes.heard import Heard


@asynccontextmanager
async def followed(cluster: Cluster, account: Path) -> AsyncIterator[Heard]:
    heard = Heard()
    async with serving(cluster) as url:
        watching = Watching(
            api_at(ScrapeSettings(kubernetes_api=url), account), PODS, "app=chat", heard
        )
        task = asyncio.create_task(watching.run())
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_list_comes_in_pages_and_then_every_change(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    cluster = Cluster(page=2)
    cluster.hold(PODS, pod("a"), pod("b"), pod("c"))
    async with followed(cluster, tmp_path) as heard:
        assert await heard.next() == "list a b c"
        await cluster.put(PODS, pod("d"))
        assert await heard.next() == "ADDED d"
        await cluster.delete(PODS, pod("a"))
        assert await heard.next() == "DELETED a"

    assert {(path, token) for path, _, token in cluster.asked} == {(PODS, "Bearer secret")}
    assert {query["labelSelector"] for _, query, _ in cluster.asked} == {"app=chat"}
    assert [query.get("resourceVersion") for _, query, _ in cluster.asked] == [None, None, "7"]


async def test_a_watch_that_is_cut_in_a_line_goes_on_where_it_was(tmp_path: Path) -> None:
    cluster = Cluster()
    async with followed(cluster, tmp_path) as heard:
        await heard.next()
        await cluster.put(PODS, pod("a"))
        assert await heard.next() == "ADDED a"
        await cluster.cut()
        await cluster.put(PODS, pod("b"))
        assert await heard.next() == "ADDED b"

    assert [query.get("resourceVersion") for _, query, _ in cluster.asked] == [None, "7", "8"]


async def test_what_the_api_has_forgotten_is_listed_again(tmp_path: Path) -> None:
    cluster = Cluster()
    async with followed(cluster, tmp_path) as heard:
        await heard.next()
        cluster.hold(PODS, pod("b"))
        cluster.version = cluster.forgotten = 50
        await cluster.cut()
        assert await heard.next() == "list b"


async def test_a_bookmark_moves_on_without_a_word(tmp_path: Path) -> None:
    cluster = Cluster()
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "40"}}}
    async with followed(cluster, tmp_path) as heard:
        await heard.next()
        await cluster.say(PODS, json.dumps(bookmark).encode() + b"\n")
        cluster.version = 41
        await cluster.put(PODS, pod("a"))
        assert await heard.next() == "ADDED a"
        await cluster.cut()
        await cluster.put(PODS, pod("b"))
        assert await heard.next() == "ADDED b"

    assert cluster.asked[-1][1]["resourceVersion"] == "42"


async def test_an_object_of_ten_megabytes_is_passed_over(tmp_path: Path) -> None:
    cluster = Cluster()
    large = pod("large")
    large["metadata"]["annotations"] = {"note": "x" * 10_000_000}
    async with followed(cluster, tmp_path) as heard:
        await heard.next()
        await cluster.put(PODS, large)
        await cluster.put(PODS, pod("small"))
        assert await heard.next() == "ADDED small"


@pytest.mark.parametrize("line", [b"not json\n", b"[]\n", b'{"type": "ADDED"}\n', b"\xff\xfe\n"])
async def test_nonsense_makes_a_new_list(line: bytes, tmp_path: Path) -> None:
    cluster = Cluster()
    async with followed(cluster, tmp_path) as heard:
        assert await heard.next() == "list "
        cluster.hold(PODS, pod("a"))
        await cluster.say(PODS, line)
        assert await heard.next() == "list a"


async def test_a_refusal_is_said_once_and_asked_for_again(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.refused.add(PODS)
    with capture_logs() as logs:
        async with followed(cluster, tmp_path) as heard:
            await cluster.was_asked(3)
            cluster.refused.clear()
            assert await heard.next() == "list "

    assert [one["cause"] for one in logs] == [
        "answers 403: the service account may not list and watch this"
    ]


async def test_a_list_without_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MAX_LIST_BYTES", 10)
    cluster = Cluster()
    async with followed(cluster, tmp_path) as heard:
        await cluster.was_asked(2)
        monkeypatch.undo()
        assert await heard.next() == "list "
