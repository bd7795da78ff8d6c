"""Targets in files, behind names and in Kubernetes, and what happens when these fail."""

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.sources.discovery.files import FileLookup
from streams.sources.discovery.kubernetes import KubernetesPods
from streams.sources.discovery.names import AddressLookup, ServiceLookup, SystemResolver
from streams.sources.discovery.polled import DiscoveryError, Polled
from streams.sources.discovery.srv import ask, name_servers, question, records
from streams.sources.kubernetes.api import api_at
from streams.sources.settings import ScrapeSettings
from streams.sources.targets import Target

JSON = """[{"targets": ["10.0.0.7:8000", "https://b/m"], "labels": {"pool": "chat", "job": "x"}},
           {"targets": ["c:1"], "labels": {"__scheme__": "https", "__metrics_path__": "/p"}}]"""
YAML = """
- targets: ["10.0.0.7:8000", "https://b/m"]
  labels: {pool: chat, job: x}
- targets: ["c:1"]
  labels: {__scheme__: https, __metrics_path__: /p}
"""


def urls(targets: Sequence[Target]) -> list[tuple[str, str]]:
    return [(target.pool, target.url) for target in targets]


@pytest.mark.parametrize("text", [JSON, YAML], ids=["json", "yaml"])
async def test_a_file_of_prometheus_is_understood(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "targets").write_text(text)

    found = await FileLookup(path, {"pool": "spare"}, "here").look()

    assert urls(found) == [
        ("chat", "http://10.0.0.7:8000/metrics"),
        ("chat", "https://b/m"),
        ("spare", "https://c:1/p"),
    ]


async def test_a_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    (path := tmp_path / "targets").write_text('[{"targets": ["a:1"]}]')
    lookup = FileLookup(path, {}, "here")
    before = await lookup.look()
    path.write_text('[{"targets": ["b:1"]}]')
    os.utime(path, ns=(1, 1))

    assert urls(before) != urls(await lookup.look())


@pytest.mark.parametrize(
    "text", [None, "[{", "{}", '[{"targets": ["ftp://x"]}]', '[{"hosts": []}]']
)
async def test_a_file_that_is_none_says_so(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "targets"
    if text is not None:
        path.write_text(text)

    with pytest.raises(DiscoveryError, match="targets"):
        await FileLookup(path, {}, "here").look()


class Names:
    """A resolver that knows two names."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        return ["10.0.0.1", "fd00::1"]

    async def services(self, name: str) -> Sequence[tuple[str, int]]:
        return [("vllm-0.vllm.svc", 8000), ("vllm-1.vllm.svc", 8001)]


async def test_a_name_is_a_target_for_each_address() -> None:
    found = await AddressLookup("http://vllm.svc:8000", {"pool": "p"}, "here", Names()).look()

    assert [t.url for t in found] == [
        "http://10.0.0.1:8000/metrics",
        "http://[fd00::1]:8000/metrics",
    ]


async def test_a_service_is_a_target_for_each_record() -> None:
    found = await ServiceLookup("https://_http._tcp.vllm.svc/m", {}, "here", Names()).look()

    assert [t.url for t in found] == [
        "https://vllm-0.vllm.svc:8000/m",
        "https://vllm-1.vllm.svc:8001/m",
    ]


async def test_this_machine_knows_itself() -> None:
    assert "127.0.0.1" in await SystemResolver().addresses("localhost", 80)


async def test_a_name_that_is_unknown_says_so() -> None:
    with pytest.raises(DiscoveryError, match=r"nowhere\.invalid"):
        await SystemResolver().addresses("nowhere.invalid", 80)


def srv_answer(query: bytes, *hosts: tuple[bytes, int]) -> bytes:
    """An answer whose names point back at the question, as servers write them."""
    answer = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(hosts), 0, 0) + query[12:]
    for label, port in hosts:
        data = struct.pack(">HHH", 1, 1, port) + bytes([len(label)]) + label + b"\xc0\x0c"
        answer += b"\xc0\x0c" + struct.pack(">HHIH", 33, 1, 60, len(data)) + data
    return answer


class NameServer(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(srv_answer(data, (b"b", 8001), (b"a", 8000)), addr)


async def test_srv_records_are_asked_for_over_udp() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))

    found = await ask("_http._tcp.vllm", [transport.get_extra_info("sockname")])

    transport.close()
    assert found == [("a._http._tcp.vllm", 8000), ("b._http._tcp.vllm", 8001)]


@pytest.mark.parametrize("cut", range(0, 56, 4))
def test_a_name_server_that_answers_nonsense_does_no_harm(cut: int) -> None:
    answer = srv_answer(question(7, "_http._tcp.vllm"), (b"a", 8000))

    with pytest.raises((ValueError, IndexError, struct.error)):
        records(answer[:cut] if cut else answer.replace(b"\x00\x07", b"\x00\x08", 1), 7)


def test_names_that_point_in_a_circle_end() -> None:
    with pytest.raises(ValueError, match="without end"):
        records(struct.pack(">HHHHHH", 7, 0x8180, 1, 0, 0, 0) + b"\xc0\x0c", 7)


def test_name_servers_stand_in_a_file(tmp_path: Path) -> None:
    (path := tmp_path / "resolv.conf").write_text("search x\nnameserver 10.0.0.2\n")

    assert name_servers(path) == [("10.0.0.2", 53)]


class Flaky:
    """A lookup that fails in between."""

    kind = "file"

    def __init__(self) -> None:
        self.looks = 0

    async def look(self) -> Sequence[Target]:
        self.looks += 1
        if self.looks == 2:
            raise DiscoveryError("gone for now")
        return [Target(url=f"http://x/{self.looks}", replica="x")]


async def test_what_cannot_be_had_is_tried_again_and_the_last_list_holds() -> None:
    told = asyncio.Queue[str]()
    polled = Polled(Flaky(), name="file", every_s=0)
    running = asyncio.create_task(polled.run(lambda targets: told.put_nowait(targets[0].url)))

    async with asyncio.timeout(5):
        found = [await told.get(), await told.get()]

    running.cancel()
    assert found == ["http://x/1", "http://x/3"]


def pod(name: str, address: str = "10.0.0.1", **but: Any) -> dict[str, Any]:
    notes = but.pop("notes", {})
    return {
        "metadata": {"name": name, "uid": name, "labels": {"app": "vllm"}, "annotations": notes}
        | but.pop("metadata", {}),
        "spec": {"containers": [{"ports": [{"containerPort": 8000}]}]},
        "status": {"phase": but.pop("phase", "Running"), "podIP": address},
    }


class Api:
    """As much of the Kubernetes API as a watch of pods needs, over real HTTP."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = list(pods)
        self.events = asyncio.Queue[dict[str, Any] | None]()
        self.asked: list[tuple[str, dict[str, str], str]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(
            (request.path, dict(request.query), request.headers.get("Authorization", ""))
        )
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "7"}, "items": self.pods})
        answer = web.StreamResponse()
        await answer.prepare(request)
        while (event := await self.events.get()) is not None:
            await answer.write(web.json_response(event).body + b"\n")  # type: ignore[operator]
        return answer


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = Api(pod("vllm-0"), pod("vllm-1", phase="Pending"))
    app = web.Application()
    app.router.add_get("/{path:.*}", api.answer)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1)
    api.url = str(server.make_url("")).rstrip("/")  # type: ignore[attr-defined]
    yield api
    await server.close()


class Followed:
    """Pods being followed, and the lists that were told."""

    def __init__(self, api: Api, account: Path, line: str = "kubernetes://models?app=vllm") -> None:
        self.told = asyncio.Queue[list[str]]()
        url: str = api.url  # type: ignore[attr-defined]
        self._pods = KubernetesPods(
            line, {}, "here", api=api_at(ScrapeSettings(kubernetes_api=url), account)
        )

    async def __aenter__(self) -> "Followed":
        self._task = asyncio.create_task(
            self._pods.run(lambda targets: self.told.put_nowait([t.url for t in targets]))
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def next(self) -> list[str]:
        async with asyncio.timeout(5):
            return await self.told.get()


async def test_pods_are_listed_with_the_account_and_then_watched(api: Api, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    async with Followed(api, tmp_path) as followed:
        first = await followed.next()
        ready = pod(
            "vllm-1", "10.0.0.2", notes={"prometheus.io/port": "9", "prometheus.io/path": "p"}
        )
        await api.events.put({"type": "MODIFIED", "object": ready})
        second = await followed.next()
        await api.events.put({"type": "BOOKMARK", "object": {}})
        await api.events.put({"type": "DELETED", "object": pod("vllm-0")})
        third = await followed.next()

    assert first == ["http://10.0.0.1:8000/metrics"]
    assert second == [*first, "http://10.0.0.2:9/p"]
    assert third == second[1:]
    assert [(path, token) for path, _, token in api.asked] == [
        ("/api/v1/namespaces/models/pods", "Bearer secret")
    ] * 2
    assert api.asked[1][1]["resourceVersion"] == "7"
    assert {query["labelSelector"] for _, query, _ in api.asked} == {"app=vllm"}


async def test_a_watch_whose_version_is_forgotten_begins_anew_with_a_list(
    api: Api, tmp_path: Path
) -> None:
    async with Followed(api, tmp_path) as followed:
        first = await followed.next()
        api.pods = [pod("vllm-9", "10.0.0.9")]
        await api.events.put({"type": "ERROR", "object": {"code": 410}})
        second = await followed.next()

    assert (first, second) == (["http://10.0.0.1:8000/metrics"], ["http://10.0.0.9:8000/metrics"])


@pytest.mark.parametrize(
    "which",
    [
        pytest.param(pod("a", notes={"prometheus.io/scrape": "false"}), id="does-not-want"),
        pytest.param(
            pod("a", metadata={"deletionTimestamp": "2026-01-01T12:00:00Z"}), id="is-leaving"
        ),
        pytest.param(pod("a", address=""), id="has-no-address-yet"),
        pytest.param(pod("a", notes={"prometheus.io/scheme": "gopher"}), id="is-nonsense"),
    ],
)
async def test_pods_that_are_no_targets(api: Api, tmp_path: Path, which: dict[str, Any]) -> None:
    api.pods = [which, pod("b", "10.0.0.2")]
    async with Followed(api, tmp_path, "kubernetes://*?app=vllm") as followed:
        assert await followed.next() == ["http://10.0.0.2:8000/metrics"]

    assert api.asked[0][0] == "/api/v1/pods"
