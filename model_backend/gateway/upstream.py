"""Requests to replicas, behind an interface small enough to exchange the client."""

from collections.abc import AsyncIterator, Mapping
from typing import Final, Protocol

import aiohttp

from streams.errors import TidegateError

CONNECT_TIMEOUT_S: Final = 2.0
HEALTH_TIMEOUT_S: Final = 1.0
MAX_ANSWER_BYTES: Final = 16_777_216


class ReplicaError(TidegateError):
    """A replica refused the connection, broke off, or never answered.

    refused: it does not listen; nothing was sent. silent: no word from it, good or bad.
    """

    def __init__(self, cause: str, *, refused: bool = False, silent: bool = False) -> None:
        super().__init__(cause)
        self.refused = refused
        self.silent = silent


class Reply(Protocol):
    """An answer of which the status has come."""

    @property
    def status(self) -> int: ...
    @property
    def content_type(self) -> str: ...
    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes in; raises ReplicaError if it ends too early."""
        ...

    async def whole(self) -> bytes:
        """The whole body, at most ``MAX_ANSWER_BYTES``; raises ReplicaError."""
        ...

    def close(self) -> None:
        """Break the connection off, unless all of the answer has been read."""
        ...


class Upstream(Protocol):
    """A client that reaches replicas."""

    async def open(self) -> None:
        """Called once, before all else."""
        ...

    async def send(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Raises ReplicaError before there is a status. Waits as long as it is let."""
        ...

    async def probe(self, address: str) -> ReplicaError | None:
        """Ask GET /health with a short time limit; None if the replica is well."""
        ...

    async def close(self) -> None: ...


class AiohttpUpstream:
    """The client of aiohttp: no cookies, no redirects, no limit to connections, no time limits.

    Time limits are the gateway's own, by its clock. A connection that the replica closed while it
    was idle shows as an answer that never came: the request is tried again like any other.
    """

    def __init__(self, *, health_timeout_s: float = HEALTH_TIMEOUT_S) -> None:
        self._health = aiohttp.ClientTimeout(total=health_timeout_s)
        self._session: aiohttp.ClientSession

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15.0, use_dns_cache=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            # What is not compressed need not be unpacked to be looked at.
            headers={"Accept-Encoding": "identity"},
        )

    async def send(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        try:
            answer = await self._session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            )
        except (aiohttp.ClientError, OSError) as exc:
            raise _replica_error(exc) from exc
        return _AiohttpReply(answer)

    async def probe(self, address: str) -> ReplicaError | None:
        try:
            async with self._session.get(f"{address}/health", timeout=self._health) as answer:
                await answer.read()
                well = answer.status == 200
                return None if well else ReplicaError(f"its health check says {answer.status}")
        except (aiohttp.ClientError, OSError) as exc:
            return _replica_error(exc)

    async def close(self) -> None:
        await self._session.close()


class _AiohttpReply:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def content_type(self) -> str:
        return self._answer.content_type

    async def pieces(self) -> AsyncIterator[bytes]:
        content = self._answer.content
        try:
            while piece := await content.readany():
                yield piece
        except (aiohttp.ClientError, OSError) as exc:
            raise _replica_error(exc) from exc

    async def whole(self) -> bytes:
        found: list[bytes] = []
        size = 0
        async for piece in self.pieces():
            size += len(piece)
            if size > MAX_ANSWER_BYTES:
                raise ReplicaError(f"its answer exceeds {MAX_ANSWER_BYTES} bytes")
            found.append(piece)
        return b"".join(found)

    def close(self) -> None:
        self._answer.close()


def _replica_error(exc: Exception) -> ReplicaError:
    """In words for people; addresses stay out, replicas have names."""
    if isinstance(exc, TimeoutError):  # aiohttp's own time limits are of this kind too
        return ReplicaError("no answer", silent=True)
    if isinstance(exc, aiohttp.ClientConnectorError):
        refused = isinstance(exc.os_error, ConnectionRefusedError)
        return ReplicaError("connection refused" if refused else "no connection", refused=True)
    return ReplicaError("connection broken")
