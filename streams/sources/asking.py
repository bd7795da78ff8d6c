"""A URL in, its answer out; whatever goes wrong is one sentence that says what to do."""

import asyncio
import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import aiohttp
from pydantic import SecretStr
from yarl import URL

from streams.errors import SourceUnavailableError

_REDIRECTS: Final = range(300, 400)
_ERROR_CHARS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A bearer token, or a user with a password; both empty: none."""

    token: SecretStr = field(default_factory=lambda: SecretStr(""))
    username: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))

    def headers(self) -> dict[str, str]:
        if token := self.token.get_secret_value():
            return {"Authorization": f"Bearer {token}"}
        if self.username:
            pair = f"{self.username}:{self.password.get_secret_value()}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """status: below 300 unless errors were asked for; cut: there was more than was allowed."""

    status: int
    body: bytes
    html: bool
    cut: bool
    took_s: float


class Asker:
    """Asks with the same credentials everywhere; follows no redirect, which might lead them astray.

    timeout_s: for a whole answer.
    """

    def __init__(self, credentials: Credentials, *, timeout_s: float) -> None:
        self._headers = {"User-Agent": "tidegate", **credentials.headers()}
        self._timeout_s = timeout_s
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        self._client = aiohttp.ClientSession(timeout=timeout, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()

    async def get(
        self, url: str, params: Mapping[str, str] | None = None, *, max_bytes: int
    ) -> Answer:
        """At most ``max_bytes``. Raises SourceUnavailableError for no answer, or a redirect."""
        assert self._client is not None  # noqa: S101  entered
        began = asyncio.get_running_loop().time()
        try:
            address = URL(url)
            async with self._client.get(address, params=params, allow_redirects=False) as answer:
                if answer.status in _REDIRECTS:
                    raise SourceUnavailableError(url, _redirect(answer), status=answer.status)
                body, cut = await _read(answer, max_bytes)
        except TimeoutError as exc:
            cause = f"did not answer in {self._timeout_s:g} s"
            raise SourceUnavailableError(url, cause) from exc
        except (aiohttp.ClientError, ValueError, OSError) as exc:
            raise SourceUnavailableError(url, _no_answer(exc)) from exc
        html = "html" in answer.content_type or body.lstrip()[:1] == b"<"
        took_s = asyncio.get_running_loop().time() - began
        return Answer(status=answer.status, body=body, html=html, cut=cut, took_s=took_s)

    async def page(self, url: str, *, max_bytes: int) -> Answer:
        """A page of metrics. Raises SourceUnavailableError for what can be none."""
        answer = await self.get(url, max_bytes=max_bytes)
        if answer.status >= 300:
            raise SourceUnavailableError(url, refusal(answer.status), status=answer.status)
        if answer.html:
            raise SourceUnavailableError(url, "answers with a web page (HTML), not with metrics")
        return answer


async def _read(answer: aiohttp.ClientResponse, max_bytes: int) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            answer.close()
            return bytes(body[:max_bytes]), True
    return bytes(body), False


def _redirect(answer: aiohttp.ClientResponse) -> str:
    to = answer.headers.get("Location", "")
    return f"sends us on to {to or 'nowhere'}: give that address, if it is the right one"


def refusal(status: int, said: str = "") -> str:
    """Why there is an error instead of an answer.

    >>> refusal(401)
    'asks who we are (401): set TIDEGATE_WATCH__TOKEN, or TIDEGATE_WATCH__USERNAME and __PASSWORD'
    """
    if status in {401, 403}:
        return (
            f"asks who we are ({status}): set TIDEGATE_WATCH__TOKEN, "
            "or TIDEGATE_WATCH__USERNAME and __PASSWORD"
        )
    return f"answers {status}" + (f": {said[:_ERROR_CHARS]}" if said else "")


def _said(error: OSError) -> str:
    """The system's own words; asyncio puts the address in their place."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)


def _no_answer(exc: Exception) -> str:
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return f"has a certificate that this machine does not trust ({exc.certificate_error})"
    if isinstance(exc, aiohttp.ClientConnectorError):
        return f"cannot be reached ({_said(exc.os_error)})"
    if isinstance(exc, aiohttp.InvalidURL | ValueError):
        return "is no address"
    return f"broke off ({type(exc).__name__})"
