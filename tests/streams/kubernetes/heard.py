"""A follower that writes down what it hears."""

import asyncio
import json
from collections.abc import Sequence

import msgspec


class Heard:
    """`list a b`, then `ADDED c`."""

    def __init__(self) -> None:
        self._said = asyncio.Queue[str]()

    def listed(self, objects: Sequence[msgspec.Raw]) -> None:
        self._said.put_nowait("list " + " ".join(map(_name, objects)))

    def event(self, what: str, found: msgspec.Raw) -> None:
        self._said.put_nowait(f"{what} {_name(found)}")

    async def next(self, within_s: float = 5) -> str:
        async with asyncio.timeout(within_s):
            return await self._said.get()


def _name(found: msgspec.Raw) -> str:
    return str(json.loads(bytes(found))["metadata"]["name"])
