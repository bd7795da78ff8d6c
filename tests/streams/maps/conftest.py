"""A registry that is stood in for, and a message whose schema it has."""

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from streams.maps.settings import RegistrySettings
from tests.streams.maps.registry import MODEL, PASSWORD, REQUEST, USER, StandIn, framed


@pytest.fixture
async def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
async def settings(stand_in: StandIn) -> AsyncIterator[RegistrySettings]:
    app = web.Application()
    app.router.add_get("/{path:.*}", stand_in.answer)
    async with TestServer(app) as server:
        yield RegistrySettings(
            url=str(server.make_url("/")),
            username=USER,
            password=SecretStr(PASSWORD),
            timeout_s=0.5,
        )


@pytest.fixture
def avro_topic(stand_in: StandIn) -> bytes:
    """A message; its schema refers to another."""
    fastavro = pytest.importorskip("fastavro", reason="pip install tidegate[avro]")
    model = {"name": "acme.Model", "subject": "acme.Model", "version": 3}
    stand_in.schemas["/schemas/ids/7"] = {
        "schema": msgspec.json.encode(REQUEST).decode(),
        "references": [model],
    }
    stand_in.schemas["/subjects/acme.Model/versions/3"] = {
        "subject": "acme.Model", "id": 6, "version": 3,
        "schema": msgspec.json.encode(MODEL).decode(),
    }  # fmt: skip
    named: dict[str, Any] = {}
    fastavro.parse_schema(MODEL, named)
    out = BytesIO()
    document = {"ts": 1_700_000_000_250, "model": {"name": "codex"}, "tokens": 5}
    fastavro.schemaless_writer(out, fastavro.parse_schema(REQUEST, named), document)
    return framed(7, out.getvalue())
