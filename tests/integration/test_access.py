"""Every stage and role under a user of its own that may do no more than the table says."""

import asyncio
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)
from pydantic import SecretStr

from model_backend.settings import BackendSettings, PoolSettings
from streams.admin import create_topics
from streams.app import create_app
from streams.clock import system_clock
from streams.codec import encode_record
from streams.connection import full_name, knock
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.settings import SinkSettings, StreamSettings
from streams.stage import Out
from tests.services.kafka import PASSWORD, Kafka
from tests.streams.samples import request
from tests.streams.toys import eventually, new_prefix, running, toy_settings
from tidegate.access import ACCESS, Grant, grants
from tidegate.cli import main
from tidegate.edge.centre import Centre
from tidegate.settings import Settings
from tidegate.wiring import STAGES

pytestmark = pytest.mark.kafka

KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
SAYS_SOMETHING = {"partials", "windows", "state.respond", "state.plan", "pools"}
"""What stages write without being asked; the sink writes to a file, ALERT has
nothing to step before an incident."""


def acl(role: str, grant: Grant) -> ACL:
    pattern = ACLResourcePatternType.PREFIXED if grant.prefixed else ACLResourcePatternType.LITERAL
    return ACL(
        principal=f"User:{role}",
        host="*",
        operation=ACLOperation[grant.operation.upper()],
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(KINDS[grant.kind], grant.name, pattern),
    )


@pytest.fixture
async def settings(kafka: Kafka) -> StreamSettings:
    """Of the operator; the topics are there and the access lists are as the table says."""
    settings = toy_settings(kafka.url, new_prefix(), "exactly_once")
    await create_topics(settings)
    acls = [acl(role, grant) for role in ACCESS for grant in grants(role, settings)]
    await asyncio.to_thread(_allow, kafka, acls)
    last = logged_in(settings, kafka, role="api").broker
    async with asyncio.timeout(10):
        # Kafka answers before its broker knows.
        while await knock(last, [full_name(settings, "audit")]) is not None:
            pass
    return settings


def _allow(kafka: Kafka, acls: list[ACL]) -> None:
    address = kafka.url.removeprefix("kafka://")
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        admin.create_acls(acls)


def logged_in(settings: StreamSettings, kafka: Kafka, role: str) -> StreamSettings:
    broker = settings.broker.model_copy(
        update={
            "url": kafka.login_url,
            "security": "sasl_ssl",
            "username": role,
            "password": SecretStr(PASSWORD),
            "ca_file": str(kafka.certificates.authority),
        }
    )
    return settings.model_copy(update={"broker": broker})


async def test_every_stage_works_with_what_the_table_gives_it(
    settings: StreamSettings, kafka: Kafka, tmp_path: Path
) -> None:
    found = tmp_path / "results.jsonl"
    pool = PoolSettings(name="codex", service="codex", model="tiny", driver="dry_run")
    seen: set[str] = set()
    async with AsyncExitStack() as stack:
        for stage, attach in STAGES.items():
            stream = logged_in(settings, kafka, stage).model_copy(
                update={"sinks": SinkSettings(jsonl_path=str(found))}
            )
            whole = Settings(stream=stream, backend=BackendSettings(pools=(pool,)))
            app = create_app(stage, stream)
            attach(app, whole)
            await stack.enter_async_context(running(app))
        reader = await stack.enter_async_context(TopicReader(settings, sorted(SAYS_SOMETHING)))
        publisher = await stack.enter_async_context(Publisher(settings))
        await publisher.send(event())
        async with asyncio.timeout(60):
            while seen != SAYS_SOMETHING:
                seen |= {message.topic for message in await reader.poll(0.5)}
        await eventually(lambda: found.exists() and found.stat().st_size > 0)


def event() -> Out:
    value = encode_record(request(at_us=system_clock()))
    return Out(topic="requests", key="k", value=value)


ROLES = [role for role, access in ACCESS.items() if not access.stage]


@pytest.mark.parametrize("role", ROLES)
async def test_every_role_reads_and_writes_its_topics(
    settings: StreamSettings, kafka: Kafka, role: str
) -> None:
    access, stream = ACCESS[role], logged_in(settings, kafka, role)
    async with Publisher(stream) as publisher, TopicReader(stream, access.reads) as reader:
        for topic in access.writes:
            await publisher.send(Out(topic=topic, key="k", value=b"{}"))
        assert {topic for topic, _ in reader.sources} == set(access.reads)


@pytest.fixture
def environment(settings: StreamSettings, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a user whom nobody has allowed anything."""
    broker = logged_in(settings, kafka, "nobody").broker
    for name in ("url", "security", "username", "ca_file"):
        monkeypatch.setenv(f"TIDEGATE_STREAM__BROKER__{name.upper()}", getattr(broker, name))
    monkeypatch.setenv("TIDEGATE_STREAM__BROKER__PASSWORD", PASSWORD)
    monkeypatch.setenv("TIDEGATE_STREAM__TOPICS__PREFIX", settings.topics.prefix)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("stage", ["watch", "plan"])
def test_who_may_do_nothing_is_told_so(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker", "--stages", stage]) == 1

    (sentence,) = capsys.readouterr().err.splitlines()
    assert "not allowed" in sentence
    assert PASSWORD not in sentence


@pytest.mark.usefixtures("environment")
def test_who_sees_no_topic_is_told_that_it_may_be_hidden(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["topics", "check"]) == 1

    assert capsys.readouterr().out.startswith("there are no topics, or nobody may not see them\n")


async def test_a_site_sends_with_what_the_table_gives_it(
    settings: StreamSettings, kafka: Kafka
) -> None:
    centre = Centre(logged_in(settings, kafka, "edge"), "paris-2")
    try:
        assert await centre.open() is None
        for topic in ACCESS["edge"].writes:
            await centre.commit([Out(topic=topic, key="k", value=b"{}")], 7)
    finally:
        await centre.close()
