"""A URL in, its answer out; whatever goes wrong is one sentence that says what to do."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

import aiohttp
from yarl import URL

from streams.errors import SourceUnavailableError
from streams.sources.access import Access
from streams.sources.prometheus_text import MAX_BYTES
from streams.sources.targets import shown

MAX_HELD: Final = 128 * 1024 * 1024
"""Bytes of answers under way, of all targets with the same access together."""
_PAGE: Final = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"}
"""Uncompressed: on a local network, inflating a page costs more than reading it."""
_IDLE_S: Final = 90.0
"""Longer than any rhythm, so that a connection lasts; engines close it when they want to."""
_SAID_CHARS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """cut: there was more than was allowed."""

    status: int
    body: bytes
    cut: bool
    took_s: float


class Asker:
    """Asks with the same access everywhere; follows no redirect, which might lead it astray.

    One connection to each target, kept open. Make it inside a running loop, and close it.

    timeout_s: for a whole answer.
    """

    def __init__(self, access: Access, *, timeout_s: float) -> None:
        self._access = access
        self._timeout_s = timeout_s
        self._held = 0
        self._client = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S),
            headers={"User-Agent": "tidegate"},
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=2**18,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.close()

    async def get(
        self, url: str, params: Mapping[str, str] | None = None, *, max_bytes: int
    ) -> Answer:
        """Of any status but a redirect. Raises SourceUnavailableError."""
        return await self._ask(url, params, {}, max_bytes, _may_be_anything)

    async def page(self, url: str) -> Answer:
        """A page of metrics. Raises SourceUnavailableError for what can be none."""
        answer = await self._ask(url, None, _PAGE, MAX_BYTES, self._require_page)
        if answer.body.lstrip()[:1] == b"<":
            raise _html(url)
        return answer

    def refusal(self, status: int, said: str = "") -> str:
        """Why there is an error instead of an answer."""
        if status in {401, 403}:
            return f"asks who we are ({status}): {self._access.hint}"
        return f"answers {status}" + (f": {said[:_SAID_CHARS]}" if said else "")

    async def _ask(
        self,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str],
        max_bytes: int,
        require: Callable[[str, aiohttp.ClientResponse], None],
    ) -> Answer:
        access = await self._access.shown()
        began_s = asyncio.get_running_loop().time()
        try:
            async with self._client.get(
                URL(url),
                params=params,
                headers={**headers, **access.headers},
                ssl=access.tls,
                allow_redirects=False,
            ) as answer:
                _require_no_redirect(url, answer)
                require(url, answer)
                body, cut = await self._body(url, answer, max_bytes)
        except TimeoutError as exc:
            cause = f"did not answer in {self._timeout_s:g} s"
            raise SourceUnavailableError(shown(url), cause, trouble="timeout") from exc
        except (aiohttp.ClientError, ValueError, OSError) as exc:
            raise SourceUnavailableError(shown(url), no_answer(url, exc)) from exc
        took_s = asyncio.get_running_loop().time() - began_s
        return Answer(status=answer.status, body=body, cut=cut, took_s=took_s)

    def _require_page(self, url: str, answer: aiohttp.ClientResponse) -> None:
        if answer.status != 200:
            cause = self.refusal(answer.status)
            raise SourceUnavailableError(shown(url), cause, trouble="refused", status=answer.status)
        if answer.content_type == "text/html":
            raise _html(url)
        if answer.content_type == "application/json":
            raise _no_metrics(url, "answers with JSON, not with metrics")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise _no_metrics(url, "answers compressed, though we asked for plain text")

    async def _body(
        self, url: str, answer: aiohttp.ClientResponse, max_bytes: int
    ) -> tuple[bytes, bool]:
        body, counted = bytearray(), 0
        try:
            async for chunk in answer.content.iter_any():
                if self._held + len(chunk) > MAX_HELD:
                    cause = f"must wait: answers under way hold {self._held} bytes"
                    raise SourceUnavailableError(shown(url), cause, trouble="no_room")
                body += chunk
                counted += len(chunk)
                self._held += len(chunk)
                if len(body) > max_bytes:
                    answer.close()  # What is still to come must not be waited for.
                    return bytes(body[:max_bytes]), True
            return bytes(body), False
        finally:
            self._held -= counted


def _may_be_anything(url: str, answer: aiohttp.ClientResponse) -> None:
    """Errors have something to say too."""


def _require_no_redirect(url: str, answer: aiohttp.ClientResponse) -> None:
    if 300 <= answer.status < 400:
        to = shown(answer.headers.get("Location", "")[:_SAID_CHARS]) or "nowhere"
        cause = f"sends us on to {to}: give that address, if it is the right one"
        raise SourceUnavailableError(shown(url), cause, trouble="redirected", status=answer.status)


def _html(url: str) -> SourceUnavailableError:
    return _no_metrics(url, "answers with a web page (HTML), not with metrics")


def _no_metrics(url: str, cause: str) -> SourceUnavailableError:
    return SourceUnavailableError(shown(url), cause, trouble="not_metrics")


def no_answer(url: str, exc: Exception) -> str:
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        why = getattr(exc.certificate_error, "verify_message", exc.certificate_error)
        return f"has a certificate that we do not trust ({why}): set ca_file"
    if isinstance(exc, aiohttp.ClientConnectorError):
        return f"cannot be reached ({_said(exc.os_error)})"
    if isinstance(exc, aiohttp.InvalidURL | ValueError):
        return "is no address"
    if isinstance(exc, aiohttp.ServerDisconnectedError):
        wants = "a certificate of ours (cert_file)" if url.startswith("https") else "https"
        return f"broke off: it may want {wants}"
    return f"broke off ({type(exc).__name__})"


def _said(error: OSError) -> str:
    """The system's own words; asyncio puts the address in their place."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
