"""One guarded POST: private addresses refused, no redirects, all answers and waits bounded."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from streams.clock import SECOND_US
from streams.errors import InvalidParameterError

ANSWER_BYTES: Final = 4_096
"""What is read of an answer; the rest is dropped with the connection."""
DETAIL_CHARS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; status 0 means that nothing did, and ``detail`` says why."""

    status: int
    detail: str = ""
    retry_after_s: float | None = None


_NAT64: Final = IPv6Network("64:ff9b::/96")


class RefusedAddressError(OSError):
    """A name that resolves to an address we must not be made to call (SSRF)."""


def is_public(address: str) -> bool:
    """Whether an address belongs to the internet at large.

    >>> [is_public(a) for a in ("8.8.8.8", "127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, False, False, False]
    """
    found: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(found, IPv6Address):
        # These carry an IPv4 address inside, and kernel or routers unwrap it.
        inner = IPv4Address(int(found) & 0xFFFF_FFFF) if found in _NAT64 else None
        found = found.ipv4_mapped or found.sixtofour or inner or found
    return found.is_global and not found.is_multicast


class PublicResolver(AbstractResolver):
    """Resolves names and refuses those of private networks.

    The guard sits where the connection gets its address, so that a name cannot change between the
    look and the call.
    """

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for each in found:
            if not is_public(each["host"]):
                raise RefusedAddressError(f"{host} resolves to a private address")
        return found

    async def close(self) -> None:
        await self._inner.close()


def checked_url(name: str, url: str, *, allow_private: bool) -> URL:
    """The URL; raises InvalidParameterError that tells the host only (paths may hold secrets)."""
    try:
        parsed = URL(url)
        host = parsed.host or ""
    except ValueError:
        raise InvalidParameterError(f"channel {name}: url", "…", "an http(s) URL") from None
    if parsed.scheme not in {"http", "https"} or not host:
        raise InvalidParameterError(f"channel {name}: url", host, "an http(s) URL with a host")
    # aiohttp resolves nothing that looks like an address (`127.1` does), so the resolver never
    # sees it: here it must be a plain address or a name.
    if not _is_literal(host) and not any(c.isalpha() for c in host):
        raise InvalidParameterError(f"channel {name}: url", host, "a host name or a plain address")
    if not allow_private and _is_literal(host) and not is_public(host):
        allowed = "a public address (or set allow_private)"
        raise InvalidParameterError(f"channel {name}: url", host, allowed)
    return parsed


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class Poster:
    """Posts to one URL; never raises for what the other side does."""

    def __init__(self, url: URL, *, timeout_s: float, allow_private: bool) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._allow_private = allow_private
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes, headers: Mapping[str, str], *, now_us: int) -> Answer:
        try:
            async with self._opened().post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                head = await response.content.read(ANSWER_BYTES)
                # Whatever else it would like to say, we do not wait for it.
                response.close()
                return Answer(
                    status=response.status,
                    detail=_printable(head),
                    retry_after_s=_retry_after_s(response.headers.get("Retry-After"), now_us),
                )
        except TimeoutError:
            return Answer(status=0, detail=f"no answer within {self._timeout.total:g} s")
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as exc:
            return Answer(status=0, detail=_reason(exc))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Created here: a session belongs to the loop that runs.
            resolver = None if self._allow_private else PublicResolver()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver, limit=4, force_close=True),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _reason(error: BaseException) -> str:
    """Host and cause, never the path of the URL."""
    if isinstance(error, aiohttp.ClientConnectorError):
        inner = error.os_error
        return f"cannot connect to {error.host}:{error.port} ({inner.strerror or inner})"
    return type(error).__name__


def _printable(head: bytes) -> str:
    text = head.decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text)[:DETAIL_CHARS].strip()


def _retry_after_s(header: str | None, now_us: int) -> float | None:
    """Seconds, from seconds or from an HTTP date; None for anything else."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        at = parsedate_to_datetime(header).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(at - now_us / SECOND_US, 0.0)
