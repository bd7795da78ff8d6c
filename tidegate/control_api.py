"""The control API as a person at a terminal asks it: answers, or one clear sentence."""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

import aiohttp
import msgspec

from streams.errors import TidegateError
from tidegate.runfiles import RunFile
from tidegate.settings import Settings

PATIENCE_S: Final = 10.0
TRIES: Final = 3
PAUSE_S: Final = 1.0
UNAUTHORIZED: Final = 401
GONE_FOR_NOW: Final = frozenset({409, 503})
"""The first request under the same key is under way, or the broker is away: ask again."""


class _Field(msgspec.Struct):
    field: str = ""
    message: str = ""


class _Problem(msgspec.Struct):
    detail: str = ""
    errors: tuple[_Field, ...] = ()


class ControlApi:
    """``ask`` reads, ``order`` changes something, once however often it has to be sent.

    Raises TidegateError with what the API says, or that it does not answer.
    """

    def __init__(self, settings: Settings, address: str = "") -> None:
        self.address = address or _address(settings)
        token = settings.api.token.get_secret_value()
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
            connector=aiohttp.TCPConnector(ssl=_trust(settings)),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(self, path: str, cluster: str = "") -> tuple[Any, str]:
        """The answer's JSON and its ETag."""
        return await self._once("GET", path, params={"cluster": cluster} if cluster else {})

    async def order(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        if_match: str,
    ) -> None:
        headers = {"Idempotency-Key": uuid4().hex, "If-Match": if_match}
        for left in reversed(range(TRIES)):
            try:
                await self._once(method, path, params=params, json=body, headers=headers)
            except _TryAgainError:
                if not left:
                    raise
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def _once(self, method: str, path: str, **more: Any) -> tuple[Any, str]:
        try:
            async with self._session.request(method, f"{self.address}{path}", **more) as answer:
                content, etag = await answer.read(), answer.headers.get("ETag", "")
        except (aiohttp.ClientError, TimeoutError) as exc:
            why = (
                f"the control API at {self.address} does not answer ({exc or 'no answer in time'})"
            )
            raise _TryAgainError(
                f"{why}; start `tidegate api`, or say where it is by --api"
            ) from exc
        if answer.status in GONE_FOR_NOW:
            raise _TryAgainError(_said(answer.status, content))
        if not answer.ok:
            raise TidegateError(_said(answer.status, content))
        return msgspec.json.decode(content), etag


class _TryAgainError(TidegateError):
    """It may have been heard or not: the same again does no harm, under the same key."""


def _said(status: int, content: bytes) -> str:
    """What a problem says, and of which fields."""
    try:
        problem = msgspec.json.decode(content, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem(detail=f"the control API answered {status}")
    fields = "".join(f"; {one.field}: {one.message}" for one in problem.errors)
    mend = "; set TIDEGATE_API__TOKEN" if status == UNAUTHORIZED else ""
    return f"{problem.detail}{mend}{fields}"


def _address(settings: Settings) -> str:
    """That of an `up` that runs on this machine, else the one of the settings."""
    running = RunFile.running()
    if running is not None:
        return running.api
    scheme = "https" if settings.api.tls_cert else "http"
    return f"{scheme}://{settings.api.host}:{settings.api.port}"


def _trust(settings: Settings) -> ssl.SSLContext | bool:
    """Also a certificate that nobody else vouches for, if the settings name its file here."""
    cert = settings.api.tls_cert
    return ssl.create_default_context(cafile=cert) if cert and Path(cert).is_file() else True
