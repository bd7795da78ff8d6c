"""`POST /v1/changes`: who may say that something was changed, and the answer."""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from aiohttp import web
from pydantic import SecretStr

from streams import metrics
from streams.clock import Clock
from streams.receive.bodies import BodyError
from streams.receive.hooks import Hook, Reader, github, gitlab, posted
from streams.receive.inlet import Inlet
from streams.receive.reading import body_of
from streams.receive.settings import ReceiveSettings
from streams.schemas.telemetry import Change

SIGNED: Final = frozenset({"changes_github", "changes_gitlab"})
"""Doors whose senders show a secret of their own instead of our token."""
MAX_POOLS: Final = 16
MAX_BYTES: Final = 1_048_576
"""Of a body; whose it is is only known when it has been read."""


class ChangesDoor:
    """Three doors to one topic; the answer comes when the broker has the changes."""

    def __init__(self, settings: ReceiveSettings, cluster: str, inlet: Inlet, clock: Clock) -> None:
        limit = min(settings.max_body_bytes, MAX_BYTES)
        limits = {"max_body_bytes": limit, "max_decoded_bytes": limit}
        self._settings = settings.model_copy(update=limits)
        self._cluster = cluster
        self._inlet = inlet
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/changes", self.ours, name="changes"),
            web.post("/v1/changes/github", self.github, name="changes_github"),
            web.post("/v1/changes/gitlab", self.gitlab, name="changes_gitlab"),
        ]

    async def ours(self, request: web.Request) -> web.Response:
        change = posted(await self._json(request), self._cluster, self._clock())
        return await self._taken("changes", [change])

    async def github(self, request: web.Request) -> web.Response:
        secret = _needed(self._settings.github_secret, "receive.github_secret")
        body = await self._json(request)
        seal = "sha256=" + hmac.new(secret, body, sha256).hexdigest()
        _same(request.headers.get("X-Hub-Signature-256", ""), seal, "X-Hub-Signature-256")
        event = request.headers.get("X-GitHub-Event", "")
        return await self._hooked(request, body, event, github)

    async def gitlab(self, request: web.Request) -> web.Response:
        secret = _needed(self._settings.gitlab_token, "receive.gitlab_token")
        _same(request.headers.get("X-Gitlab-Token", ""), secret.decode(), "X-Gitlab-Token")
        event = request.headers.get("X-Gitlab-Event", "")
        return await self._hooked(request, await self._json(request), event, gitlab)

    async def _hooked(
        self, request: web.Request, body: bytes, event: str, read: Reader
    ) -> web.Response:
        changes = read(body, event, self._hook(request), self._clock())
        return await self._taken(request.match_info.route.name or "", changes)

    def _hook(self, request: web.Request) -> Hook:
        pools = request.query.getall("pool", [])
        cluster = request.query.get("cluster", self._cluster)
        sound = all(name.isprintable() and 0 < len(name) <= 256 for name in (*pools, cluster))
        if not (0 < len(pools) <= MAX_POOLS and sound):
            detail = f"the address must name 1 to {MAX_POOLS} pools, as in {request.path}?pool=chat"
            raise BodyError(400, "unfit", detail)
        return Hook(
            pools=pools,
            cluster=cluster,
            environment=request.query.get("environment", ""),
        )

    async def _json(self, request: web.Request) -> bytes:
        if request.content_type != "application/json":
            detail = f"content-type must be application/json, got {request.content_type}"
            raise BodyError(415, "content_type", detail)
        return await body_of(request, self._settings)

    async def _taken(self, door: str, changes: Sequence[Change]) -> web.Response:
        await self._inlet.take_changes(changes)
        metrics.DOOR_ITEMS.labels(door, "taken" if changes else "ignored").inc(len(changes) or 1)
        return web.json_response({"changes": [change.id for change in changes]}, status=202)


def _needed(secret: SecretStr, setting: str) -> bytes:
    if not secret.get_secret_value():
        raise BodyError(403, "forbidden", f"this door is shut: set {setting}")
    return secret.get_secret_value().encode()


def _same(given: str, wanted: str, header: str) -> None:
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        raise BodyError(401, "unauthorized", f"{header} does not fit the secret")
