"""A stand-in for a Schema Registry that speaks its REST interface."""

import asyncio
import struct
from base64 import b64encode
from typing import Any

from aiohttp import web

MODEL = {"type": "record", "name": "acme.Model", "fields": [{"name": "name", "type": "string"}]}
REQUEST = {
    "type": "record",
    "name": "acme.Request",
    "fields": [
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "model", "type": ["null", "acme.Model"]},
        {"name": "tokens", "type": "int"},
    ],
}
USER, PASSWORD = "reader", "open-sesame"
LOGIN = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class StandIn:
    """What `GET /schemas/ids/{id}` and `GET /subjects/{s}/versions/{v}` answer."""

    def __init__(self) -> None:
        self.schemas: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.status = 200
        self.slow = asyncio.Event()
        self.slow.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        await self.slow.wait()
        if request.headers.get("Authorization") != LOGIN:
            return web.json_response({"error_code": 401, "message": "Unauthorized"}, status=401)
        if self.status != 200:
            return web.json_response({"error_code": 50001, "message": "no"}, status=self.status)
        found = self.schemas.get(request.path)
        if found is None:
            return web.json_response({"error_code": 40403, "message": "none"}, status=404)
        return web.json_response(found)


def framed(number: int, payload: bytes) -> bytes:
    return struct.pack(">bI", 0, number) + payload
