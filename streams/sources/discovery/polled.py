"""Lists of targets that have to be looked at again and again: names in DNS, files."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from streams.errors import TidegateError
from streams.log import get_logger
from streams.metrics import DISCOVERY_ERRORS
from streams.sources.discovery.base import Found
from streams.sources.targets import Target

log = get_logger(__name__)


class DiscoveryError(TidegateError):
    """A list of targets that cannot be had now."""


class Lookup(Protocol):
    """Where a list comes from."""

    kind: str

    async def look(self) -> Sequence[Target]:
        """The targets there are. Raises DiscoveryError."""
        ...


class Polled:
    """A lookup as a discovery."""

    def __init__(self, lookup: Lookup, *, name: str, every_s: float) -> None:
        self.kind = lookup.kind
        self._lookup = lookup
        self._name = name
        self._every_s = every_s

    async def run(self, found: Found) -> None:
        trouble = ""
        while True:
            try:
                found(await self._lookup.look())
                trouble = ""
            except DiscoveryError as exc:
                DISCOVERY_ERRORS.labels(self.kind).inc()
                if str(exc) != trouble:
                    log.warning("targets_unknown", source=self._name, cause=str(exc))
                trouble = str(exc)
            await asyncio.sleep(self._every_s)
