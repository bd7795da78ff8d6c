"""What CI posts about a deployment in, changes out: JSON of ours, of GitHub and of GitLab."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Final, Literal, Self, TypeVar

import msgspec
from pydantic import AwareDatetime, BaseModel, Field, ValidationError, model_validator

from streams.clock import SECOND_US
from streams.receive.bodies import BodyError
from streams.schemas.telemetry import Change, ChangeKind

MAX_ATTRIBUTES: Final = 20

Name = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
Sentence = Annotated[str, Field(min_length=1, max_length=500)]
T = TypeVar("T")


class PostedChange(BaseModel, frozen=True, extra="forbid"):
    """The body of `POST /v1/changes`."""

    summary: Sentence
    kind: Literal[
        "deployed", "configured", "model_loaded", "node_maintenance", "scaled", "other"
    ] = "deployed"
    pool: Name = ""
    replica: Name = ""
    node: Name = ""
    cluster: Name = ""
    actor: Name = ""
    id: Name = ""
    """The same again is the same change."""
    at: AwareDatetime | None = None
    attributes: Annotated[dict[Name, Name], Field(max_length=MAX_ATTRIBUTES)] = {}

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        if not (self.pool or self.node):
            raise ValueError("pool or node is needed: what was changed?")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """What the address of a webhook says: `?pool=chat&pool=embed&environment=production`.

    environment: empty, all of them count.
    """

    pools: Sequence[str]
    cluster: str
    environment: str = ""


def posted(body: bytes, cluster: str, now_us: int) -> Change:
    """Raises BodyError for what is no change."""
    try:
        said = PostedChange.model_validate_json(body)
    except ValidationError as exc:
        raise BodyError(400, "unfit", _wrong(exc)) from exc
    at_us = _past(said.at, now_us)
    seed = said.id or blake2b(b"%d" % at_us + body, digest_size=8).hexdigest()
    facts = said.model_dump(exclude={"id", "at", "cluster"})
    return Change(id=f"ci/{seed}", at_us=at_us, cluster=said.cluster or cluster, **facts)


def _wrong(error: ValidationError) -> str:
    # What was sent is left out: a body may carry what must not come back.
    found = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()]
    allowed = '{"pool": "chat", "summary": "what was done"}'
    return f"a change must be JSON such as {allowed}; {'; '.join(found[:5])}"[:1_000]


class _Login(msgspec.Struct):
    login: str = ""


class _Status(msgspec.Struct):
    id: int
    state: str
    environment: str = ""
    created_at: datetime | None = None
    creator: _Login | None = None


class _Deployment(msgspec.Struct):
    id: int
    sha: str = ""
    ref: str = ""


class _Repository(msgspec.Struct):
    full_name: str


class _GitHub(msgspec.Struct):
    deployment_status: _Status
    deployment: _Deployment
    repository: _Repository


class _User(msgspec.Struct):
    username: str = ""


class _Project(msgspec.Struct):
    path_with_namespace: str


class _GitLab(msgspec.Struct):
    status: str
    deployment_id: int
    project: _Project
    environment: str = ""
    status_changed_at: str = ""
    short_sha: str = ""
    ref: str = ""
    user: _User | None = None


_STATES: Final[dict[str, tuple[ChangeKind, str]]] = {
    "in_progress": ("deployed", "is being deployed"),
    "running": ("deployed", "is being deployed"),
    "success": ("deployed", "was deployed"),
    "failure": ("other", "failed to be deployed"),
    "error": ("other", "failed to be deployed"),
    "failed": ("other", "failed to be deployed"),
    "canceled": ("other", "was stopped while it was deployed"),
}
"""Of both; in all other states nothing has been touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A deployment, in the words of both."""

    id: str
    state: str
    what: str
    version: str
    environment: str
    actor: str
    at: datetime | None


def github(body: bytes, event: str, hook: Hook, now_us: int) -> list[Change]:
    """Of an event `deployment_status`; none for others. Raises BodyError."""
    if event != "deployment_status":
        return []
    said = _read(body, _GitHub, "a deployment_status of GitHub")
    status, deployment, repository = said.deployment_status, said.deployment, said.repository
    told = _Told(
        id=f"github/{repository.full_name}/{deployment.id}/{status.id}",
        state=status.state,
        what=repository.full_name,
        version=_version(deployment.ref, deployment.sha),
        environment=status.environment,
        actor=status.creator.login if status.creator else "",
        at=status.created_at,
    )
    return _changes(told, hook, now_us)


def gitlab(body: bytes, event: str, hook: Hook, now_us: int) -> list[Change]:
    """Of a `Deployment Hook`; none for others. Raises BodyError."""
    if event != "Deployment Hook":
        return []
    said = _read(body, _GitLab, "a deployment event of GitLab")
    told = _Told(
        id=f"gitlab/{said.project.path_with_namespace}/{said.deployment_id}/{said.status}",
        state=said.status,
        what=said.project.path_with_namespace,
        version=_version(said.ref, said.short_sha),
        environment=said.environment,
        actor=said.user.username if said.user else "",
        at=_gitlab_time(said.status_changed_at),
    )
    return _changes(told, hook, now_us)


Reader = Callable[[bytes, str, Hook, int], list[Change]]


def _changes(told: _Told, hook: Hook, now_us: int) -> list[Change]:
    if told.state not in _STATES or hook.environment not in {"", told.environment}:
        return []
    kind, sentence = _STATES[told.state]
    words = (told.what, told.version, sentence, f"to {told.environment}" * bool(told.environment))
    return [
        Change(
            id=f"{told.id}/{hook.cluster}/{pool}",
            at_us=_past(told.at, now_us),
            kind=kind,
            summary=" ".join(filter(None, words))[:500],
            actor=told.actor[:256],
            cluster=hook.cluster,
            pool=pool,
            attributes={"version": told.version[:256], "environment": told.environment[:256]},
        )
        for pool in hook.pools
    ]


def _read(body: bytes, kind: type[T], called: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as exc:
        raise BodyError(400, "unfit", f"body must be {called} as JSON ({exc})") from exc


def _version(ref: str, sha: str) -> str:
    return " ".join(filter(None, (ref if ref != sha else "", sha[:8])))


def _gitlab_time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text.replace("UTC", "+0000"), "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return None


def _past(at: datetime | None, now_us: int) -> int:
    """Nobody can tell what is still to come: a clock that is ahead is not believed."""
    return now_us if at is None else min(round(at.timestamp() * SECOND_US), now_us)
