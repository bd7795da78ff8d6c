"""One streamed answer of an OpenAI-compatible API; whatever goes wrong is one clear sentence."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
import msgspec

from autoscaler.profile.seen import Answer
from streams.errors import SourceUnavailableError
from streams.sources.access import Access
from streams.sources.asking import no_answer

WORDS: Final = (
    *("tide", "gate", "water", "model", "river", "stone", "light", "green", "seven", "order"),
    *("paper", "cloud", "field", "north", "wheel", "music", "bread", "glass", "sound", "plain"),
)
BUSY: Final = "busy"
"""``trouble`` of an engine that refuses more for the moment."""
_TIMEOUT_S: Final = 120.0
_MAX_BODY: Final = 65_536
_MAX_LINE: Final = 1_048_576


class Model:
    """A model behind a URL, asked for text.

    url: with or without ``/v1``. model: empty is the only one there. seed: of the words.
    """

    def __init__(
        self, client: aiohttp.ClientSession, access: Access, url: str, model: str, seed: int
    ) -> None:
        self._client = client
        self._access = access
        self.url = url.rstrip("/").removesuffix("/v1")
        self.name = model
        self._rng = random.Random(seed)
        self._before = ""

    async def find(self) -> None:
        """Choose the model. Raises SourceUnavailableError where there is none, or several."""
        known = [str(one.get("id")) for one in await self._models()]
        named = self.name or (known[0] if len(known) == 1 else "")
        if named not in known:
            cause = f"has no model {named!r}" if named else "has several models"
            said = f"{cause}: give --model, one of {', '.join(known) or 'none'}"
            raise SourceUnavailableError(self.url, said, trouble="model")
        self.name = named

    async def metrics(self) -> bytes:
        """Its page of metrics; empty where it shows none."""
        shown = await self._access.shown()
        try:
            async with self._client.get(
                f"{self.url}/metrics", headers=dict(shown.headers), ssl=shown.tls
            ) as answer:
                return await answer.read() if answer.status == 200 else b""
        except (aiohttp.ClientError, TimeoutError):
            return b""

    async def answer(self, words: int, tokens: int, *, again: bool = False) -> Answer:
        """Raises SourceUnavailableError, with trouble ``BUSY`` where there is no room for more."""
        if not again:
            first = f"{self._rng.getrandbits(32):x}"  # so that no prefix cache knows it
            self._before = " ".join([first, *self._rng.choices(WORDS, k=words)])
        body = {
            "model": self.name,
            "messages": [{"role": "user", "content": self._before}],
            "max_tokens": tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "ignore_eos": True,
            "temperature": 0,
        }
        url, shown = f"{self.url}/v1/chat/completions", await self._access.shown()
        try:
            asked_s = asyncio.get_running_loop().time()
            async with self._client.post(
                url, json=body, headers=dict(shown.headers), ssl=shown.tls, allow_redirects=False
            ) as response:
                await self._require(url, response, "text/event-stream")
                return await _read(url, response, asked_s)
        except msgspec.DecodeError as exc:
            raise SourceUnavailableError(url, "streams broken JSON") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise _broken(url, exc) from exc

    async def _models(self) -> Sequence[dict[str, Any]]:
        url, shown = f"{self.url}/v1/models", await self._access.shown()
        try:
            async with self._client.get(
                url, headers=dict(shown.headers), ssl=shown.tls, allow_redirects=False
            ) as response:
                await self._require(url, response, "application/json")
                found = msgspec.json.decode(await response.read())
        except msgspec.DecodeError as exc:
            raise SourceUnavailableError(url, "answers with broken JSON") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise _broken(url, exc) from exc
        return found.get("data") or [] if isinstance(found, dict) else []

    async def _require(self, url: str, response: aiohttp.ClientResponse, kind: str) -> None:
        status = response.status
        if status == 200 and response.content_type == kind:
            return
        said = (await response.content.read(_MAX_BODY)).decode(errors="replace")[:200]
        trouble = BUSY if status in {429, 503} else "refused"
        raise SourceUnavailableError(
            url, _why(status, response, said, self._access.hint), trouble=trouble, status=status
        )


def client() -> aiohttp.ClientSession:
    """Make it inside a running loop, and close it."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
        connector=aiohttp.TCPConnector(limit=0),
        headers={"User-Agent": "tidegate"},
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=_MAX_LINE,
    )


async def _read(url: str, response: aiohttp.ClientResponse, asked_s: float) -> Answer:
    came_s: list[float] = []
    usage: dict[str, Any] = {}
    clock = asyncio.get_running_loop().time
    async for line in response.content:
        if not line.startswith(b"data: {"):
            continue
        event = msgspec.json.decode(line.removeprefix(b"data: "))
        usage = event.get("usage") or usage
        if any((choice.get("delta") or {}).get("content") for choice in event.get("choices") or ()):
            came_s.append(clock())
    if not came_s or not usage.get("prompt_tokens"):
        cause = (
            "streams no text" if not came_s else "does not tell tokens in streams (include_usage)"
        )
        raise SourceUnavailableError(url, cause, trouble="refused")
    return Answer(
        asked_s=asked_s,
        came_s=tuple(came_s),
        prompt_tokens=int(usage["prompt_tokens"]),
        answer_tokens=int(usage.get("completion_tokens") or len(came_s)),
    )


def _why(status: int, response: aiohttp.ClientResponse, said: str, hint: str) -> str:
    if status in {401, 403}:
        return f"asks for a key ({status}): {hint}"
    if status == 429:
        after = response.headers.get("Retry-After", "")
        return "has no room for us (429)" + (f": try again after {after} s" if after else "")
    if 300 <= status < 400:
        return f"sends us on to {response.headers.get('Location', 'nowhere')}: give that address"
    if status != 200:
        return f"answers {status}: {said}"
    return _KINDS.get(response.content_type, f"answers with {response.content_type}")


_KINDS: Final = {
    "text/html": "answers with a web page (HTML): give the address of the API",
    "application/json": "does not stream: its first token cannot be told from its last",
}


def _broken(url: str, exc: Exception) -> SourceUnavailableError:
    if isinstance(exc, TimeoutError):
        return SourceUnavailableError(url, f"did not answer in {_TIMEOUT_S:g} s", trouble="timeout")
    return SourceUnavailableError(url, no_answer(url, exc))
