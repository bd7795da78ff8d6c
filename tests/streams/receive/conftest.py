import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from streams.clock import SECOND_US, system_clock
from streams.codec import decode_record
from streams.errors import BrokerUnavailableError
from streams.receive.settings import ReceiveSettings
from streams.schemas.telemetry import EngineSample, RequestEvent
from streams.settings import StreamSettings
from streams.stage import Out

Client = TestClient[web.Request, web.Application]


class Kept:
    """Keeps what is published; ``shut`` behaves as a publisher whose broker is gone."""

    def __init__(self) -> None:
        self.out: list[Out] = []
        self.shut = False
        self.ahead_us = 0
        """How much later it is for the door than by the clock: nobody waits for real."""

    def offer(self, *out: Out) -> bool:
        if not self.shut:
            self.out += out
        return not self.shut

    async def send(self, *out: Out) -> None:
        if self.shut:
            raise BrokerUnavailableError("kafka://nowhere", "nobody answers")
        self.out += out

    @property
    def events(self) -> list[RequestEvent]:
        lines = (out.value for out in self.out if isinstance(out.value, bytes))
        return [decode_record(x, RequestEvent) for value in lines for x in value.split(b"\n")]

    async def samples(self, count: int) -> list[EngineSample]:
        """Once there are so many, a second later."""
        self.ahead_us += SECOND_US
        async with asyncio.timeout(5):
            while True:
                found = [out.value for out in self.out if isinstance(out.value, EngineSample)]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.05)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def door(kept: Kept) -> AsyncIterator[Client]:
    pytest.importorskip("opentelemetry.proto.collector", reason="pip install tidegate[otlp]")
    from streams.receive.run import UNPACKED_BY_US, receiver

    small = ReceiveSettings(max_body_bytes=100_000, max_decoded_bytes=1_000_000)
    made = receiver(
        StreamSettings(receive=small), "local", kept, lambda: system_clock() + kept.ahead_us
    )
    server = TestServer(made.app)
    await server.start_server(**UNPACKED_BY_US)
    async with TestClient(server) as client:
        yield client
