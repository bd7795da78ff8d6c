"""Video jobs through the whole gateway."""

import asyncio
from typing import Any

import pytest
from aiohttp import FormData
from pydantic import SecretStr

from model_backend.settings import KeySettings
from streams.schemas.scaling import Drain
from streams.schemas.system import Usage
from streams.schemas.telemetry import RequestEvent
from tests.model_backend.gateway_world import KEYS, VIDEO, World

PATH = "/v1/videos"


async def created(world: World, body: object = VIDEO) -> dict[str, Any]:
    answer = await world.ask(body, path=PATH)
    found: dict[str, Any] = await answer.json()
    assert answer.status == 200, found
    return found


async def shown(world: World, job: dict[str, Any], *, who: str = "birch") -> dict[str, Any]:
    answer = await world.client.get(f"{PATH}/{job['id']}", headers=KEYS[who])
    found: dict[str, Any] = await answer.json()
    return found


async def test_a_job_is_queued_made_and_fetched() -> None:
    async with World() as world:
        job = await created(world)
        assert (job["status"], job["object"], job["seconds"]) == ("queued", "video", "4")
        replica = await world.add("sora-1")
        await world.hears("requests", RequestEvent, kind="finished")

        assert (await shown(world, job))["status"] == "completed"
        content = await world.client.get(f"{PATH}/{job['id']}/content", headers=KEYS["birch"])
        assert (await content.read(), content.content_type) == (b"an MP4", "video/mp4")
        assert replica.deleted == ["video_1"]


async def test_a_replica_gets_the_body_as_it_came() -> None:
    async with World() as world:
        replica = await world.add("sora-1")
        await created(world, {**VIDEO, "model": "sora", "style": "calm"})
        await replica.seen(1)

        assert replica.bodies == [{**VIDEO, "style": "calm"}]


async def test_a_form_is_as_good_as_json() -> None:
    async with World() as world:
        replica = await world.add("sora-1")
        form = FormData(VIDEO, default_to_multipart=True)
        answer = await world.client.post(PATH, data=form, headers=KEYS["birch"])
        await replica.seen(1)

        assert (answer.status, replica.bodies) == (200, [VIDEO])


async def test_files_are_not_taken() -> None:
    async with World() as world:
        form = FormData(VIDEO)
        form.add_field("input_reference", b"a picture", filename="tide.png")
        answer = await world.client.post(PATH, data=form, headers=KEYS["birch"])

        assert (answer.status, (await answer.json())["error"]["param"]) == (400, "input_reference")


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        pytest.param({**VIDEO, "seconds": "5"}, 400, "seconds", id="odd-length"),
        pytest.param({**VIDEO, "model": "gemma"}, 404, "model", id="not-a-video-model"),
        pytest.param(b"{", 400, None, id="no-json"),
    ],
)
async def test_bad_jobs_are_rejected(body: object, status: int, param: str | None) -> None:
    async with World() as world:
        answer = await world.ask(body, path=PATH)

        assert (answer.status, (await answer.json())["error"]["param"]) == (status, param)
        [told] = world.told("requests", RequestEvent)
        assert (told.kind, told.pool, told.route) == ("rejected", "sora", "videos")


async def test_events_span_the_job_and_usage_counts_its_seconds() -> None:
    async with World() as world:
        await created(world)
        [arrived] = world.told("requests", RequestEvent, kind="arrived")
        world.clock.advance(3)
        await world.add("sora-1")
        end = await world.hears("requests", RequestEvent, kind="finished")

        assert (end.request_id, end.queue_s, end.duration_s) == (arrived.request_id, 3, 3)
        assert (await world.hears("usage", Usage)).seconds == 4


async def test_one_job_at_a_time_and_progress_shows() -> None:
    async with World() as world:
        replica = await world.add("sora-1")
        replica.job_status.clear()
        first, second = await created(world), await created(world)
        await replica.seen(1)
        while (await shown(world, first))["progress"] != 40:
            pass

        assert (await shown(world, second))["status"] == "queued"
        assert len(replica.bodies) == 1


async def test_a_job_outlives_its_replica() -> None:
    async with World() as world:
        dying = await world.add("sora-1")
        dying.job_status.clear()
        job = await created(world)
        await dying.seen(1)
        await dying.stop()
        await world.add("sora-2")
        end = await world.hears("requests", RequestEvent, kind="finished")

        assert (end.status, end.replica, end.attempt) == (200, "sora-2", 1)
        assert (await shown(world, job))["status"] == "completed"


async def test_a_job_moves_away_from_a_frozen_replica() -> None:
    async with World() as world:
        stuck = await world.add("sora-1")
        stuck.freeze()
        await created(world)
        await stuck.seen(1)
        for _ in range(5):
            world.tick(1)
            await world.probes()
        await world.add("sora-2")
        end = await world.hears("requests", RequestEvent, kind="finished")

        assert (end.status, end.replica) == (200, "sora-2")


async def test_after_three_attempts_a_job_has_failed() -> None:
    async with World() as world:
        broken = await world.add("sora-1")
        broken.status = 500
        job = await created(world)
        end = await world.hears("requests", RequestEvent, kind="finished")

        found = await shown(world, job)
        assert (end.status, len(broken.bodies)) == (502, 3)
        assert (found["status"], found["error"]["code"]) == ("failed", "upstream_error")


async def test_a_job_that_a_replica_refuses_has_failed_at_once() -> None:
    async with World() as world:
        replica = await world.add("sora-1")
        replica.status, replica.error = 400, {"error": {"message": "no tides"}}
        job = await created(world)
        await world.hears("requests", RequestEvent, kind="rejected")

        assert (await shown(world, job))["error"]["message"] == "no tides"


async def test_others_do_not_see_it() -> None:
    async with World() as world:
        job = await created(world)
        own = await world.client.get(PATH, headers=KEYS["birch"])
        other = await world.client.get(PATH, headers=KEYS["cedar"])

        assert "error" in await shown(world, job, who="cedar")
        assert [one["id"] for one in (await own.json())["data"]] == [job["id"]]
        assert (await other.json())["data"] == []


async def test_a_deleted_job_is_taken_off_its_replica() -> None:
    async with World() as world:
        replica = await world.add("sora-1")
        replica.job_status.clear()
        job = await created(world)
        while (await shown(world, job))["status"] == "queued":
            pass
        answer = await world.client.delete(f"{PATH}/{job['id']}", headers=KEYS["birch"])

        assert await answer.json() == {
            "id": job["id"],
            "object": "video.deleted",
            "deleted": True,
        }
        assert replica.deleted == ["video_1"]
        assert "error" in await shown(world, job)
        assert len(world.told("requests", RequestEvent, kind="cancelled")) == 1


async def test_there_is_no_content_before_the_end() -> None:
    async with World() as world:
        job = await created(world)
        answer = await world.client.get(f"{PATH}/{job['id']}/content", headers=KEYS["birch"])

        assert answer.status == 404


async def test_a_draining_replica_is_empty_only_when_its_video_is_here() -> None:
    async with World() as world:
        replica = await world.add("sora-1")
        replica.job_status.clear()
        job = await created(world)
        await replica.seen(1)
        world.say("sora-1", "draining")
        assert [one.in_flight for one in world.told("drains", Drain)] == [1]
        replica.job_status.set()
        await asyncio.wait_for(world.hears("drains", Drain, in_flight=0), 5)

        assert (await shown(world, job))["status"] == "completed"


async def test_a_full_queue_refuses_jobs() -> None:
    async with World(max_queue=1) as world:
        await created(world)
        await world.queued("sora", 1)

        assert (await world.ask(VIDEO, path=PATH)).status == 503


async def test_a_job_that_failed_on_one_replica_goes_to_another() -> None:
    async with World() as world:
        broken = await world.add("sora-1")
        broken.status = 500
        await world.add("sora-2")
        await created(world)
        end = await world.hears("requests", RequestEvent, kind="finished")

        assert (end.status, end.replica, len(broken.bodies)) == (200, "sora-2", 1)


async def test_jobs_under_way_end_with_the_gateway() -> None:
    async with World() as world:
        await created(world)
        await world.queued("sora", 1)
        await world.gateway.close()

        [end] = world.told("requests", RequestEvent, reason="gateway_stopped")
        assert (end.kind, end.status) == ("finished", 503)


async def test_a_job_counts_as_in_flight_until_it_has_ended() -> None:
    keys = (KeySettings(tenant="birch", key=SecretStr("key-of-birch"), max_in_flight=1),)
    async with World(keys=keys) as world:
        job = await created(world)
        assert (await world.ask(VIDEO, path=PATH)).status == 429
        await world.client.delete(f"{PATH}/{job['id']}", headers=KEYS["birch"])

        assert (await world.ask(VIDEO, path=PATH)).status == 200


async def test_a_job_that_its_replica_gives_up_has_failed_for_the_reason_it_tells() -> None:
    async with World() as world:
        replica = await world.add("sora-1")
        replica.error = {"error": {"code": "moderation", "message": "too wet"}}
        job = await created(world)
        await world.hears("requests", RequestEvent, kind="finished")

        assert (await shown(world, job))["error"]["message"] == "too wet"


async def test_a_video_larger_than_we_keep_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_backend.gateway.job_runner.MAX_VIDEO_BYTES", 3)
    async with World() as world:
        await world.add("sora-1")
        job = await created(world)
        await world.hears("requests", RequestEvent, kind="finished")

        assert (await shown(world, job))["error"]["message"] == "The video exceeds 3 bytes."


async def test_large_videos_are_written_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_backend.gateway.job_runner.PART_BYTES", 1)
    async with World() as world:
        await world.add("sora-1")
        job = await created(world)
        await world.hears("requests", RequestEvent, kind="finished")
        content = await world.client.get(f"{PATH}/{job['id']}/content", headers=KEYS["birch"])

        assert await content.read() == b"an MP4"


async def test_only_the_video_itself_is_kept() -> None:
    async with World() as world:
        job = await created(world)
        path = f"{PATH}/{job['id']}/content?variant=thumbnail"
        answer = await world.client.get(path, headers=KEYS["birch"])

        assert (answer.status, (await answer.json())["error"]["param"]) == (400, "variant")


async def test_a_form_that_is_none_is_told_so() -> None:
    async with World() as world:
        headers = {**KEYS["birch"], "Content-Type": "multipart/form-data; boundary=x"}
        answer = await world.client.post(PATH, data=b"nothing of the kind", headers=headers)

        assert answer.status == 400


async def test_an_hour_later_a_video_and_its_file_are_gone() -> None:
    async with World() as world:
        await world.add("sora-1")
        job = await created(world)
        await world.hears("requests", RequestEvent, kind="finished")
        world.tick(3_600)

        assert "error" in await shown(world, job)


async def test_our_own_mistakes_end_a_job_too() -> None:
    async with World() as world:
        world.gateway.door.desks["sora"].take = None  # type: ignore[assignment,method-assign]
        job = await created(world)
        await world.hears("requests", RequestEvent, reason="internal")

        assert (await shown(world, job))["status"] == "failed"
