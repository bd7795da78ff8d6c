"""Changes that CI posts: our own JSON, and webhooks of GitHub and GitLab in their own form."""

import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from streams.clock import SECOND_US, ManualClock
from streams.receive.bodies import BodyError
from streams.receive.hooks import Hook, github, gitlab, posted
from streams.receive.settings import ReceiveSettings
from streams.schemas.telemetry import Change
from streams.settings import StreamSettings
from tests.streams.receive.conftest import Client, Kept

NOON_US = 1_767_268_800 * SECOND_US
SECRET = "a secret of ours"
HOOK = Hook(pools=["chat"], cluster="here")
GITHUB: dict[str, Any] = {
    "action": "created",
    "deployment_status": {
        "id": 77, "state": "success", "environment": "production", "description": "",
        "created_at": "2026-01-01T11:59:50Z", "creator": {"login": "octocat", "id": 1},
    },
    "deployment": {"id": 5, "sha": "0123456789abcdef", "ref": "v1.2", "task": "deploy"},
    "repository": {"id": 1, "full_name": "acme/chat"},
}  # fmt: skip
GITLAB: dict[str, Any] = {
    "object_kind": "deployment", "status": "running",
    "status_changed_at": "2026-01-01 12:59:50 +0100",
    "deployment_id": 15, "environment": "staging", "short_sha": "279484c0", "ref": "main",
    "project": {"id": 30, "path_with_namespace": "acme/chat"}, "user": {"username": "root"},
}  # fmt: skip


@pytest.fixture
async def door(kept: Kept) -> AsyncIterator[Client]:
    pytest.importorskip("opentelemetry.proto.collector", reason="pip install tidegate[otlp]")
    from streams.receive.run import UNPACKED_BY_US, receiver

    shut = ReceiveSettings(
        token=SecretStr("tok"),
        github_secret=SecretStr(SECRET),
        gitlab_token=SecretStr(SECRET),
        max_body_bytes=10_000,
    )
    app = receiver(StreamSettings(receive=shut), "local", kept, ManualClock(NOON_US)).app
    server = TestServer(app)
    await server.start_server(**UNPACKED_BY_US)
    async with TestClient(server) as client:
        yield client


async def post(door: Client, path: str, body: Any, **headers: str) -> tuple[int, str]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await door.post(path, data=data, headers={"Content-Type": "application/json"} | named)
    return answer.status, await answer.text()


def kept_changes(kept: Kept) -> list[Change]:
    return [out.value for out in kept.out if isinstance(out.value, Change)]


async def test_a_change_is_taken_from_who_has_the_token(door: Client, kept: Kept) -> None:
    body = {"pool": "chat", "summary": "chat 1.2 to production", "id": "run-7", "actor": "ci"}
    status, text = await post(door, "/v1/changes", body, Authorization="Bearer tok")

    assert (status, json.loads(text)) == (202, {"changes": ["ci/run-7"]})
    assert kept_changes(kept) == [
        Change(id="ci/run-7", at_us=NOON_US, kind="deployed", summary="chat 1.2 to production",
               actor="ci", cluster="local", pool="chat")
    ]  # fmt: skip
    assert kept.out[0].topic == "changes"


async def test_nobody_else_may_say_so(door: Client, kept: Kept) -> None:
    assert (await post(door, "/v1/changes", {"pool": "chat", "summary": "x"}))[0] == 401
    assert kept.out == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"not json", "a change must be JSON such as", id="no-json"),
        pytest.param({"summary": "x"}, "pool or node is needed", id="about-nothing"),
        pytest.param({"pool": "chat"}, "summary: Field required", id="says-nothing"),
        pytest.param({"pool": "chat", "summary": "x", "kind": "broke"}, "kind: Input should be",
                     id="of-no-kind"),
        pytest.param({"pool": "chat", "summary": "x", "colour": 1}, "colour: Extra", id="too-much"),
        pytest.param({"pool": "a\nb", "summary": "x"}, "pool: String should match", id="lines"),
        pytest.param({"pool": "chat", "summary": "x", "at": "2026-01-01T12:00:00"},
                     "at: Input should have timezone", id="no-time-zone"),
    ],
)  # fmt: skip
async def test_what_is_no_change_is_told_what_one_is(
    door: Client, kept: Kept, body: Any, words: str
) -> None:
    status, text = await post(door, "/v1/changes", body, Authorization="Bearer tok")
    assert (status, words in text) == (400, True), text
    assert kept.out == []


async def test_bodies_are_bounded_and_of_one_type(door: Client) -> None:
    large = {"pool": "chat", "summary": "x" * 20_000}
    assert (await post(door, "/v1/changes", large, Authorization="Bearer tok"))[0] == 413
    form = {"Content_Type": "application/x-www-form-urlencoded", "Authorization": "Bearer tok"}
    assert (await post(door, "/v1/changes", b"a=b", **form))[0] == 415


async def test_without_a_broker_it_is_to_come_again(door: Client, kept: Kept) -> None:
    kept.shut = True
    body = {"pool": "chat", "summary": "x"}
    assert (await post(door, "/v1/changes", body, Authorization="Bearer tok"))[0] == 503


async def from_github(door: Client, body: Any, *, path: str, secret: str) -> tuple[int, str]:
    data = json.dumps(body).encode()
    seal = "sha256=" + hmac.new(secret.encode(), data, "sha256").hexdigest()
    more = {"X_GitHub_Event": "deployment_status", "X_Hub_Signature_256": seal}
    return await post(door, path, data, **more)


async def test_github_signs(door: Client, kept: Kept) -> None:
    path = "/v1/changes/github?pool=chat"
    assert (await from_github(door, GITHUB, path=path, secret="another"))[0] == 401
    assert (await post(door, path, GITHUB))[0] == 401
    assert (await from_github(door, GITHUB, path=path, secret=SECRET))[0] == 202
    assert [one.pool for one in kept_changes(kept)] == ["chat"]


async def test_gitlab_shows_its_token(door: Client, kept: Kept) -> None:
    path, event = "/v1/changes/gitlab?pool=chat&pool=embed", {"X_Gitlab_Event": "Deployment Hook"}
    assert (await post(door, path, GITLAB, X_Gitlab_Token="another", **event))[0] == 401
    assert (await post(door, path, GITLAB, X_Gitlab_Token=SECRET, **event))[0] == 202
    assert [one.pool for one in kept_changes(kept)] == ["chat", "embed"]


async def test_an_address_must_name_a_pool(door: Client) -> None:
    for query in ("", "?pool=", "?pool=a%0Ab", "?" + "&".join(["pool=a"] * 17)):
        path = f"/v1/changes/github{query}"
        status, text = await from_github(door, GITHUB, path=path, secret=SECRET)
        assert (status, "as in /v1/changes/github?pool=chat" in text) == (400, True), query


async def test_a_door_without_a_secret_is_shut(kept: Kept) -> None:
    pytest.importorskip("opentelemetry.proto.collector", reason="pip install tidegate[otlp]")
    from streams.receive.run import receiver

    app = receiver(StreamSettings(), "local", kept, ManualClock(NOON_US)).app
    async with TestClient(TestServer(app)) as door:
        status, text = await post(door, "/v1/changes/gitlab?pool=chat", GITLAB)
    assert (status, text) == (403, "this door is shut: set receive.gitlab_token")


def test_a_deployment_of_github() -> None:
    [change] = github(json.dumps(GITHUB).encode(), "deployment_status", HOOK, NOON_US)
    assert change == Change(
        id="github/acme/chat/5/77/here/chat",
        at_us=NOON_US - 10 * SECOND_US,
        kind="deployed",
        summary="acme/chat v1.2 01234567 was deployed to production",
        actor="octocat",
        cluster="here",
        pool="chat",
        attributes={"version": "v1.2 01234567", "environment": "production"},
    )


@pytest.mark.parametrize("at", ["2026-01-01 12:59:50 +0100", "2026-01-01 11:59:50 UTC"])
def test_a_deployment_of_gitlab(at: str) -> None:
    body = json.dumps(GITLAB | {"status_changed_at": at}).encode()
    [change] = gitlab(body, "Deployment Hook", HOOK, NOON_US)
    assert (change.id, change.at_us, change.summary, change.actor) == (
        "gitlab/acme/chat/15/running/here/chat",
        NOON_US - 10 * SECOND_US,
        "acme/chat main 279484c0 is being deployed to staging",
        "root",
    )


@pytest.mark.parametrize(
    ("event", "state", "environment", "kinds"),
    [
        pytest.param("deployment_status", "failure", "", ["other"], id="that-failed"),
        pytest.param("deployment_status", "queued", "", [], id="that-waits"),
        pytest.param("ping", "success", "", [], id="that-is-none"),
        pytest.param("deployment_status", "success", "staging", [], id="to-somewhere-else"),
        pytest.param("deployment_status", "success", "production", ["deployed"], id="to-here"),
    ],
)
def test_events(event: str, state: str, environment: str, kinds: list[str]) -> None:
    body = GITHUB | {"deployment_status": GITHUB["deployment_status"] | {"state": state}}
    hook = Hook(pools=["chat"], cluster="here", environment=environment)
    found = github(json.dumps(body).encode(), event, hook, NOON_US)
    assert [change.kind for change in found] == kinds


def test_of_gitlab_only_deployments_count_and_a_time_that_is_none_is_now() -> None:
    body = json.dumps(GITLAB | {"status_changed_at": "yesterday"}).encode()
    assert gitlab(body, "Push Hook", HOOK, NOON_US) == []
    assert gitlab(body, "Deployment Hook", HOOK, NOON_US)[0].at_us == NOON_US


def test_a_delivery_that_comes_again_is_the_same_change() -> None:
    body = json.dumps(GITHUB).encode()
    later_us = NOON_US + 3_600 * SECOND_US
    assert github(body, "deployment_status", HOOK, NOON_US) == github(
        body, "deployment_status", HOOK, later_us
    )


def test_a_clock_that_is_ahead_is_not_believed() -> None:
    body = json.dumps({"pool": "chat", "summary": "x", "at": "2026-01-01T13:00:00Z"}).encode()
    assert posted(body, "here", NOON_US).at_us == NOON_US


@given(st.binary(max_size=200) | st.recursive(st.none(), st.lists).map(lambda x: repr(x).encode()))
def test_whatever_is_posted_is_a_refusal_and_no_error(body: bytes) -> None:
    for read in (github, gitlab):
        event = "deployment_status" if read is github else "Deployment Hook"
        with pytest.raises(BodyError):
            read(body, event, HOOK, NOON_US)
    with pytest.raises(BodyError):
        posted(body, "here", NOON_US)
