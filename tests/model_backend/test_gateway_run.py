"""The gateway as a process: it listens, does without a broker, and ends gracefully."""

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from model_backend.gateway.run import run_gateway, serve
from model_backend.settings import BackendSettings, GatewaySettings
from streams.settings import BrokerSettings, StreamSettings
from tests.model_backend.gateway_world import POOLS, STREAM, FakeReplica
from tests.services.base import free_port

NO_BROKER = StreamSettings(broker=BrokerSettings(url="kafka://127.0.0.1:1"))


def settings(port: int, address: str = "", **gateway: Any) -> BackendSettings:
    codex = POOLS[0].model_copy(update={"address": address})
    own = GatewaySettings(port=port, allow_anonymous=True, **gateway)
    return BackendSettings(gateway=own, pools=(codex,))


@asynccontextmanager
async def running(given: BackendSettings) -> AsyncIterator[str]:
    """Its base URL, once it answers; told to stop at the end, and waited for."""
    listening = asyncio.Event()
    serving = asyncio.create_task(serve(given, NO_BROKER, "local", listening=listening))
    await asyncio.wait_for(listening.wait(), 20)
    yield f"127.0.0.1:{given.gateway.port}"
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 20)


async def test_without_a_broker_fixed_replicas_are_served_and_streams_end_in_peace() -> None:
    replica = await FakeReplica().start()
    replica.middle.clear()
    async with aiohttp.ClientSession() as session:
        async with running(settings(free_port(), replica.address)) as base:
            answer = await session.post(f"http://{base}/v1/chat/completions", json=STREAM)
            await answer.content.readany()
            os.kill(os.getpid(), signal.SIGTERM)
            replica.middle.set()
            text = await answer.text()
        await replica.stop()

    assert text.endswith("data: [DONE]\n\n")


async def test_tls_is_spoken_if_there_is_a_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    issued.private_key_pem.write_to_path(str(key))
    issued.cert_chain_pems[0].write_to_path(str(cert))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    given = settings(free_port(), tls_cert=str(cert), tls_key=str(key))
    async with (
        aiohttp.ClientSession() as session,
        running(given) as base,
        session.get(f"https://{base}/health", ssl=context) as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param(
            {"tls_cert": "nowhere.pem"}, "gateway.tls_cert, gateway.tls_key must be", id="no-cert"
        ),
        pytest.param({"keys": ({"tenant": "birch", "key": ""},)}, "(hidden)", id="an-empty-key"),
    ],
)
def test_what_will_not_do_is_said_in_one_sentence(
    given: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run_gateway(settings(free_port(), **given), NO_BROKER, "local")

    [line] = capsys.readouterr().err.splitlines()
    assert (code, says in line) == (1, True)


def test_a_taken_port_is_said_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = run_gateway(settings(port), NO_BROKER, "local")

    assert code == 1
    assert f"port {port} for the gateway is taken" in capsys.readouterr().err
