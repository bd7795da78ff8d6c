"""The Kubernetes API over HTTP: all objects of a resource, then every change to one of them."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import msgspec

from streams.log import get_logger
from streams.metrics import DISCOVERY_ERRORS, KUBERNETES_SKIPPED
from streams.retry import Attempts
from streams.sources.access import Access
from streams.sources.settings import AccessSettings, ScrapeSettings

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
WATCH_S: Final = 300
PAGE: Final = 500
"""Objects of a list that are asked for at a time."""
MAX_LIST_BYTES: Final = 256 * 1024 * 1024
MAX_OBJECT_BYTES: Final = 4 * 1024 * 1024
"""Of one event; etcd itself holds 1.5 MB. A larger one is passed over."""
STEADY_S: Final = 5.0
"""Who answered this long is asked again at once."""
LONGEST_PAUSE_S: Final = 30.0
_GONE: Final = 410

log = get_logger(__name__)


class Follower(Protocol):
    """Takes the objects of one resource in, as JSON; never raises for what they hold."""

    def listed(self, objects: Sequence[msgspec.Raw]) -> None:
        """All that there are: what is not among them is gone."""
        ...

    def event(self, what: str, found: msgspec.Raw) -> None:
        """One object was ADDED, MODIFIED or DELETED."""
        ...


class _Meta(msgspec.Struct):
    version: str = msgspec.field(name="resourceVersion", default="")
    rest: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct):
    metadata: _Meta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Object(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)


_READ_LIST: Final = msgspec.json.Decoder(_List)
_READ_EVENT: Final = msgspec.json.Decoder(_Event)
_READ_OBJECT: Final = msgspec.json.Decoder(_Object)


class GoneError(Exception):
    """The API has forgotten what came after our version; never leaves this module."""


@dataclass(frozen=True, slots=True)
class Api:
    """Where it is, and who we are there."""

    url: str
    access: Access


def api_at(scrape: ScrapeSettings, account: Path = ACCOUNT) -> Api:
    """Where the settings say; else where every pod is told that it is.

    account: a folder with a `token` and the `ca.crt` of the API, for when the settings do not say
    who we are there; what is not in it is not used. Raises InvalidParameterError for bad files.
    """
    named = (one for one in scrape.access if one.name == scrape.kubernetes_access)
    shown = Access(next(named, _in(account)), section="access to Kubernetes")
    if scrape.kubernetes_api:
        return Api(scrape.kubernetes_api.rstrip("/"), shown)
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return Api(f"https://{f'[{host}]' if ':' in host else host}:{port}", shown)


def _in(account: Path) -> AccessSettings:
    token, authority = account / "token", account / "ca.crt"
    return AccessSettings(
        token_file=str(token) if token.exists() else "",
        ca_file=str(authority) if authority.exists() else "",
    )


class Watching:
    """Follows one resource until cancelled: a list, then a watch from its version on.

    A watch that ends, is cut or stalls goes on where it was; only what the API has forgotten makes
    a new list. What it refuses is counted, said once, and asked for again after a growing pause.
    """

    def __init__(self, api: Api, path: str, selector: str, follower: Follower) -> None:
        self._api = api
        self._url = f"{api.url}{path}"
        self._kind = path.rpartition("/")[2]
        self._selector = {"labelSelector": selector} if selector else {}
        self._follower = follower
        self._version = ""
        self._trouble = ""

    async def run(self) -> None:
        attempts = Attempts(longest_s=LONGEST_PAUSE_S)
        loop = asyncio.get_running_loop()
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=WATCH_S + 30)
        async with aiohttp.ClientSession(timeout=timeout) as client:
            while True:
                began_s = loop.time()
                await self._once(client)
                if loop.time() - began_s > STEADY_S:
                    attempts.succeeded()
                await attempts.pause()

    async def _once(self, client: aiohttp.ClientSession) -> None:
        try:
            if not self._version:
                await self._list(client)
            await self._watch(client)
            self._trouble = ""
        except GoneError:
            self._version = ""
        except msgspec.MsgspecError as exc:
            self._version = ""
            self._say(f"answers with what is no object of Kubernetes ({exc})")
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
            self._say(_cause(exc))

    async def _list(self, client: aiohttp.ClientSession) -> None:
        objects: list[msgspec.Raw] = []
        size, page = 0, _Meta()
        while True:
            query = {"limit": str(PAGE), **({"continue": page.rest} if page.rest else {})}
            async with client.get(self._url, **await self._asking(query)) as answer:
                _check(answer)
                body = bytearray()
                async for chunk in answer.content.iter_any():
                    body += chunk
                    if size + len(body) > MAX_LIST_BYTES:
                        raise ValueError(f"a list of more than {MAX_LIST_BYTES} bytes")
            found = await asyncio.to_thread(_READ_LIST.decode, bytes(body))
            size, page = size + len(body), found.metadata
            objects += found.items or ()
            if not page.rest:
                break
        self._follower.listed(objects)
        self._version = page.version

    async def _watch(self, client: aiohttp.ClientSession) -> None:
        query = {
            "watch": "1",
            "resourceVersion": self._version,
            "timeoutSeconds": str(WATCH_S),
            "allowWatchBookmarks": "true",
        }
        async with client.get(self._url, **await self._asking(query)) as answer:
            _check(answer)
            async for line in lines(answer.content, self._kind):
                self._take(_READ_EVENT.decode(line))

    def _take(self, event: _Event) -> None:
        if event.type == "ERROR":
            raise GoneError  # Mostly "too old": a new list tells all.
        if event.type != "BOOKMARK":
            self._follower.event(event.type, event.object)
        self._version = _READ_OBJECT.decode(event.object).metadata.version or self._version

    async def _asking(self, query: Mapping[str, str]) -> dict[str, Any]:
        shown = await self._api.access.shown()
        return {
            "params": {**self._selector, **query},
            "headers": shown.headers,
            "ssl": shown.tls,
        }

    def _say(self, cause: str) -> None:
        DISCOVERY_ERRORS.labels("kubernetes").inc()
        if cause != self._trouble:
            log.warning("kubernetes_unknown", source=self._url, cause=cause)
        self._trouble = cause


async def lines(content: aiohttp.StreamReader, kind: str) -> AsyncIterator[bytes]:
    """Whole lines: the last one, if it was cut, is not among them, nor what is too long."""
    held, over = bytearray(), False
    async for chunk in content.iter_any():
        first, *more = chunk.split(b"\n")
        held += first
        for part in more:
            if held.strip() and not over and len(held) <= MAX_OBJECT_BYTES:
                yield bytes(held)
            over, held = False, bytearray(part)
        if len(held) > MAX_OBJECT_BYTES:
            KUBERNETES_SKIPPED.labels(kind, "too_large").inc(0 if over else 1)
            over, held = True, bytearray()


def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status == _GONE:
        raise GoneError
    answer.raise_for_status()


_REFUSED: Final = {
    401: "answers 401: it does not know us, the token is missing, has ended or was revoked",
    403: "answers 403: the service account may not list and watch this",
}


def _cause(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError) and error.status in _REFUSED:
        return _REFUSED[error.status]
    return str(error) or repr(error)
