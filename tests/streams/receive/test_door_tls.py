"""The door as others reach it: a real exporter of OTLP, through TLS, with a token."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from streams.clock import system_clock
from streams.door import Door
from streams.receive.settings import ReceiveSettings
from streams.settings import StreamSettings
from tests.services.guarded_page import Papers, papers
from tests.streams.receive.conftest import Kept

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="make setup")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture
async def url(made: Papers, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)  # They would go before the exporter's own.
    from streams.receive.run import UNPACKED_BY_US, receiver

    settings = ReceiveSettings(
        port=0, token=SecretStr("hush"), tls_cert=str(made.server), tls_key=str(made.server)
    )
    door = Door.of(settings, name="receiver", section="receive", variable="PORT")
    made_door = receiver(StreamSettings(receive=settings), "local", kept, system_clock)
    runner = web.AppRunner(made_door.app, shutdown_timeout=0.1, **UNPACKED_BY_US)
    await runner.setup()
    await door.open(runner, door.tls())
    yield f"https://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    await runner.cleanup()


def export(url: str, authority: Path, token: str) -> str:
    """One call to a model, as the SDK sends it; what the exporter says of it."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    said: list[str] = []

    class Noted(OTLPSpanExporter):
        def export(self, spans: Any) -> Any:
            result = super().export(spans)
            said.append(result.name)
            return result

    exporter = Noted(
        url,
        certificate_file=str(authority),
        headers={"authorization": f"Bearer {token}"},
        timeout=1,
    )
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = provider.get_tracer("shop").start_span("chat codex")
    assert isinstance(span, ReadableSpan)
    span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "codex"})
    span.end()
    provider.shutdown()
    return said[0]


async def test_who_has_the_token_comes_in(url: str, made: Papers, kept: Kept) -> None:
    said = await asyncio.to_thread(export, url, made.authority, "hush")

    assert said == "SUCCESS"
    assert [(event.kind, event.pool) for event in kept.events] == [
        ("arrived", "codex"),
        ("finished", "codex"),
    ]


async def test_who_has_another_does_not(url: str, made: Papers, kept: Kept) -> None:
    said = await asyncio.to_thread(export, url, made.authority, "psst")

    assert (said, kept.out) == ("FAILURE", [])
