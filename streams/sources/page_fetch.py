"""GET of a page of metrics: bounded in time and size, or a reason why not."""

from collections.abc import Mapping
from typing import Final, Literal

import aiohttp
from yarl import URL

from streams.sources.prometheus_text import MAX_BYTES

Trouble = Literal[
    "timeout", "unreachable", "refused", "redirected", "not_metrics", "too_large", "no_room"
]
MAX_HELD: Final = 128 * 1024 * 1024
"""Bytes of pages under way, of all targets together."""
_HEADERS: Final = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"}
"""Uncompressed: on a local network, inflating a page costs more than reading it."""
_FOREIGN: Final = frozenset({"text/html", "application/json"})
_IDLE_S: Final = 90.0
"""Longer than any rhythm, so that a connection lasts; engines close it when they want to."""


class PageError(Exception):
    """No page, and why not; never leaves this package."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble: Trouble = trouble


class PageFetch:
    """One connection to each target, kept open. Open it inside a running loop."""

    def __init__(self, *, timeout_s: float, headers: Mapping[str, str] | None = None) -> None:
        self._held = 0
        self._client = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S),
            headers={**_HEADERS, **(headers or {})},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=2**18,
        )

    async def close(self) -> None:
        await self._client.close()

    async def page(self, url: URL) -> tuple[bytes, bool]:
        """A page of metrics, and whether it was cut. Raises PageError."""
        return await self._get(url, _FOREIGN)

    async def text(self, url: URL) -> tuple[bytes, bool]:
        """Whatever is there. Raises PageError."""
        return await self._get(url, frozenset())

    async def _get(self, url: URL, foreign: frozenset[str]) -> tuple[bytes, bool]:
        try:
            async with self._client.get(url, allow_redirects=False) as answer:
                _check(answer, foreign)
                return await self._body(answer)
        except TimeoutError:
            raise PageError("timeout", "no whole answer in time") from None
        except (aiohttp.ClientError, ValueError, OSError) as exc:
            raise PageError("unreachable", str(exc) or type(exc).__name__) from exc

    async def _body(self, answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        if answer.content_length is not None and answer.content_length <= 2**20:
            return await answer.read(), False
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in answer.content.iter_any():
                if self._held + len(chunk) > MAX_HELD:
                    raise PageError("no_room", f"pages under way hold {self._held} bytes")
                chunks.append(chunk)
                size += len(chunk)
                self._held += len(chunk)
                if size > MAX_BYTES:
                    answer.close()  # What is still to come must not be waited for.
                    return b"".join(chunks), True
            return b"".join(chunks), False
        finally:
            self._held -= size


def _check(answer: aiohttp.ClientResponse, foreign: frozenset[str]) -> None:
    if 300 <= answer.status < 400:
        where = answer.headers.get("Location", "")[:200]
        raise PageError("redirected", f"status {answer.status}, to {where}")
    if answer.status != 200:
        raise PageError("refused", f"status {answer.status}")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise PageError("not_metrics", "compressed, though we asked for plain text")
    if answer.content_type in foreign:
        raise PageError("not_metrics", f"answers with {answer.content_type}")
