"""Targets behind a name in DNS: one for each address (A, AAAA), or for each SRV record."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from streams.sources.discovery.polled import DiscoveryError
from streams.sources.targets import Target, target


class Resolver(Protocol):
    """Answers what stands behind a name."""

    async def addresses(self, host: str, port: int) -> Sequence[str]: ...

    async def services(self, name: str) -> Sequence[tuple[str, int]]: ...


class AddressLookup:
    """`dns+http://vllm.default.svc:8000`, such as a headless service in Kubernetes."""

    kind = "dns"

    def __init__(
        self, url: str, labels: Mapping[str, str], cluster: str, resolver: Resolver
    ) -> None:
        target(url, labels, cluster)  # Fails at start for what is no address.
        self._url = urlsplit(url)
        self._labels = labels
        self._cluster = cluster
        self._resolver = resolver

    async def look(self) -> Sequence[Target]:
        host = self._url.hostname or ""
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        found = await self._resolver.addresses(host, port)
        return [self._target(address, port) for address in found]

    def _target(self, address: str, port: int) -> Target:
        host = f"[{address}]" if ":" in address else address
        url = self._url._replace(netloc=f"{host}:{port}").geturl()
        return target(url, self._labels, self._cluster)


class ServiceLookup(AddressLookup):
    """`srv+http://_http._tcp.vllm.default.svc`: host and port of each record."""

    kind = "srv"

    async def look(self) -> Sequence[Target]:
        found = await self._resolver.services(self._url.hostname or "")
        return [self._target(host, port) for host, port in found]


class SystemResolver:
    """Addresses as the machine resolves them; SRV records by asking its name server."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as exc:
            raise DiscoveryError(f"{host}: {exc}") from exc
        return sorted({str(address[0]) for *_, address in found})

    async def services(self, name: str) -> Sequence[tuple[str, int]]:
        from streams.sources.discovery.srv import ask, name_servers  # noqa: PLC0415

        return await ask(name, await asyncio.to_thread(name_servers))
