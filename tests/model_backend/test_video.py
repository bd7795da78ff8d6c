"""The stand-in for a video model: jobs in the shape of the Sora API, and a real MP4 at the end."""

import asyncio
import io
from argparse import Namespace
from collections.abc import AsyncIterator
from typing import Any

import av
import pytest
from aiohttp.test_utils import TestClient, TestServer

from model_backend.replicas.base import ReplicaOptions, create_replica_app, load
from model_backend.replicas.video import VideoReplica

pytestmark = pytest.mark.replicas

OPTIONS = ReplicaOptions(name="sora-1", model="sora-stand-in", slots=1)
Client = TestClient[Any, Any]


@pytest.fixture
async def door() -> AsyncIterator[Client]:
    replica = VideoReplica(OPTIONS, Namespace(pace=0.0))
    app = create_replica_app(replica, OPTIONS)
    async with TestClient(TestServer(app)) as client:
        await load(app, replica, OPTIONS)
        yield client
        await replica.close()


async def create(door: Client, **body: object) -> dict[str, Any]:
    async with door.post("/v1/videos", json={"prompt": "a tide", **body}) as answer:
        return dict(await answer.json())


async def completed(door: Client, job: dict[str, Any]) -> dict[str, Any]:
    while job["status"] != "completed":
        await asyncio.sleep(0.01)
        async with door.get(f"/v1/videos/{job['id']}") as answer:
            job = dict(await answer.json())
    return job


async def test_a_job_ends_in_a_real_video_of_its_length(door: Client) -> None:
    job = await completed(door, await create(door, seconds="4", size="1280x720"))
    async with door.get(f"/v1/videos/{job['id']}/content") as answer:
        kind, content = answer.content_type, await answer.read()
    with av.open(io.BytesIO(content)) as video:
        assert isinstance(video, av.container.InputContainer)
        stream = video.streams.video[0]

        assert (kind, stream.width, stream.height) == ("video/mp4", 320, 180)
        assert (video.duration or 0) / 1e6 == pytest.approx(4, abs=0.1)


async def test_a_job_says_where_it_stands(door: Client) -> None:
    queued = await create(door)
    done = await completed(door, queued)

    assert (queued["status"], queued["object"], queued["model"]) == (
        "queued",
        "video",
        "sora-stand-in",
    )
    assert (done["progress"], done["error"], done["seconds"]) == (100, None, "4")


async def test_beyond_its_slots_jobs_wait(door: Client) -> None:
    await create(door, seconds="12")
    waiting = await create(door, seconds="12")
    await asyncio.sleep(0)
    async with door.get("/metrics") as answer:
        page = await answer.text()

    assert waiting["status"] == "queued"
    assert "tidegate_replica_requests_waiting 1.0" in page
    assert "tidegate_demo_stand_in 1.0" in page


async def test_a_deleted_job_is_gone(door: Client) -> None:
    job = await create(door, seconds="12")
    async with door.delete(f"/v1/videos/{job['id']}") as answer:
        deleted = await answer.json()
    async with door.get(f"/v1/videos/{job['id']}") as answer:
        status = answer.status

    assert (deleted["deleted"], status) == (True, 404)


async def test_a_video_that_is_not_done_has_no_content(door: Client) -> None:
    job = await create(door, seconds="12")
    async with door.get(f"/v1/videos/{job['id']}/content") as answer:
        assert answer.status == 409


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param({"prompt": ""}, "prompt must be", id="no-prompt"),
        pytest.param({"prompt": "x" * 32_001}, "1 to 32000 characters", id="long-prompt"),
        pytest.param({"seconds": 4}, "seconds must be one of 4, 8, 12", id="seconds-as-number"),
        pytest.param({"size": "1x1"}, "size must be one of", id="size-of-nothing"),
    ],
)
async def test_a_wrong_job_is_refused_with_what_is_wrong(
    door: Client, body: dict[str, object], says: str
) -> None:
    assert says in (await create(door, **body))["error"]["message"]


async def test_a_body_that_is_no_json_is_refused(door: Client) -> None:
    async with door.post("/v1/videos", data=b"{") as answer:
        assert answer.status == 400


async def test_before_it_is_ready_it_answers_503_but_says_how_it_is() -> None:
    replica = VideoReplica(OPTIONS, Namespace(pace=0.0))
    app = create_replica_app(replica, OPTIONS)
    async with TestClient(TestServer(app)) as client:
        statuses = [(await client.get(path)).status for path in ("/health", "/v1/videos")]
        metrics = await (await client.get("/metrics")).text()
    await replica.close()

    assert statuses == [503, 503]
    assert "tidegate_replica_ready 0.0" in metrics
