import asyncio

import pytest

from streams.admin import create_topics
from streams.app import create_app
from streams.errors import InvalidParameterError, OwnershipLostError
from streams.ownership import Owned, attach_owned, read_compacted
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.stage import Out, Outcome
from tests.streams.toys import new_prefix, running, toy_settings


@pytest.fixture
async def settings(broker_url: str) -> StreamSettings:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    return settings


@pytest.fixture
async def exact(kafka_url: str) -> StreamSettings:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    await create_topics(settings)
    return settings


class Stage:
    """Hands out what it owns, each time it comes to own it."""

    def __init__(self, settings: StreamSettings, name: str = "plan") -> None:
        self.taken: asyncio.Queue[Owned] = asyncio.Queue()
        self.cancelled = asyncio.Event()
        self.fail = asyncio.Event()
        self.app = create_app(name, settings)
        attach_owned(self.app, stage=name, control_topic="commands", run=self.run)

    async def run(self, owned: Owned) -> None:
        self.taken.put_nowait(owned)
        try:
            await self.fail.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.fail.clear()
        raise ValueError("on purpose")

    async def owned(self) -> Owned:
        async with asyncio.timeout(30):
            return await self.taken.get()


@pytest.mark.broker
async def test_state_is_what_was_committed_last(settings: StreamSettings) -> None:
    stage = Stage(settings)
    async with running(stage.app):
        owned = await stage.owned()
        assert await owned.state() == {}
        await owned.commit(Outcome(state={"a": b"1", "b": b"2"}))
        await owned.commit(Outcome(state={"a": b"3", "b": None}))

        assert await owned.state() == {"a": b"3"}


@pytest.mark.broker
async def test_outputs_are_written_with_the_state(settings: StreamSettings) -> None:
    stage = Stage(settings)
    async with running(stage.app), TopicReader(settings, ["audit"]) as reader:
        owned = await stage.owned()
        await owned.commit(Outcome(out=[Out(topic="audit", key="k", value=b"x")]))

        assert [m.value for m in await reader.poll(10)] == [b"x"]


@pytest.mark.broker
async def test_after_an_error_the_stage_is_run_again(settings: StreamSettings) -> None:
    stage = Stage(settings)
    async with running(stage.app):
        first = await stage.owned()
        stage.fail.set()

        assert await stage.owned() is not first


@pytest.mark.broker
async def test_what_runs_is_cancelled_when_the_app_stops(settings: StreamSettings) -> None:
    stage = Stage(settings)
    async with running(stage.app):
        await stage.owned()

    assert stage.cancelled.is_set()


@pytest.mark.broker
async def test_who_is_not_the_owner_any_more_cannot_commit(settings: StreamSettings) -> None:
    stage = Stage(settings)
    async with running(stage.app):
        owned = await stage.owned()

    with pytest.raises(OwnershipLostError, match="plan is not ours"):
        await owned.commit(Outcome(state={"a": b"1"}))


@pytest.mark.broker
async def test_a_stage_without_a_state_topic_has_none_and_may_write_none(
    settings: StreamSettings,
) -> None:
    stage = Stage(settings, "drive")
    async with running(stage.app):
        owned = await stage.owned()
        assert await owned.state() == {}
        with pytest.raises(InvalidParameterError, match=r"no state\.drive"):
            await owned.commit(Outcome(state={"a": b"1"}))


@pytest.mark.broker
async def test_the_newest_value_of_a_key_wins(settings: StreamSettings) -> None:
    values = [(b"1", "a"), (b"2", "b"), (b"3", "a"), (None, "b")]
    async with Publisher(settings) as publisher:
        for value, key in values:
            await publisher.send(Out(topic="state.alert", key=key, value=value))

    assert await read_compacted(settings, "state.alert") == {"a": b"3"}


@pytest.mark.kafka
async def test_another_worker_takes_over_with_the_state_and_shuts_the_first_one_out(
    exact: StreamSettings,
) -> None:
    first, second = Stage(exact), Stage(exact)
    async with running(first.app):
        owned = await first.owned()
        await owned.commit(Outcome(state={"a": b"1"}))
        async with running(second.app):
            await first.app.stop()

            assert await (await second.owned()).state() == {"a": b"1"}
            with pytest.raises(OwnershipLostError):
                await owned.commit(Outcome(state={"a": b"2"}))
