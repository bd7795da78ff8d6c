"""The table of video jobs."""

from pathlib import Path

from model_backend.gateway.bodies import VideoRequest
from model_backend.gateway.calls import Call
from model_backend.gateway.jobs import KEEP_S, Job, JobTable
from streams.clock import SECOND_US

NOON = 1_767_225_600 * SECOND_US
LATER = NOON + round(KEEP_S * SECOND_US)
WANTED = VideoRequest(model="sora", prompt="a tide", seconds="4", size="720x1280", body=b"")


def job(number: int = 1, *, tenant: str = "birch", content: int | None = None) -> Job:
    """Under way or, with ``content`` bytes, completed at noon."""
    call = Call(id=f"req_{number}", route="videos", arrived_at_us=NOON, tenant=tenant)
    made = Job(id=f"video_{number}", call=call, wanted=WANTED, created_at_us=NOON)
    if content is not None:
        made.complete(Path(f"{number}.mp4"), content, NOON)
    return made


def table(*jobs: Job, max_jobs: int = 9, max_content_bytes: int = 99) -> JobTable:
    found = JobTable(max_jobs=max_jobs, max_content_bytes=max_content_bytes)
    for one in jobs:
        found.add(one)
    return found


def test_nobody_sees_the_jobs_of_others() -> None:
    own = job()
    found = table(own)

    assert (found.get("video_1", "birch"), found.get("video_1", "cedar")) == (own, None)


def test_a_full_table_of_unfinished_jobs_has_no_room() -> None:
    assert not table(job(1), job(2), max_jobs=2).has_room()


def test_the_oldest_that_has_ended_makes_room() -> None:
    ended = job(2, content=1)
    found = table(job(1), ended, job(3, content=1), max_jobs=3)

    assert found.has_room()
    assert found.add(job(4)) == [ended]


def test_what_ended_an_hour_ago_is_forgotten() -> None:
    ended = job(1, content=1)
    found = table(ended, job(2))

    assert (found.expire(LATER - 1), found.expire(LATER), len(found)) == ([], [ended], 1)


def test_too_much_content_drives_out_the_oldest() -> None:
    jobs = [job(n, content=10) for n in range(1, 5)]
    found = table(*jobs, max_content_bytes=25)

    assert found.expire(NOON) == jobs[:2]


def test_pages_follow_one_another() -> None:
    found = table(*(job(n) for n in range(1, 6)), job(9, tenant="cedar"))
    first, more = found.page("birch", limit=3, after="", newest_first=True)
    rest, end = found.page("birch", limit=3, after=first[-1].id, newest_first=True)

    assert [one.id[-1] for one in first + rest] == ["5", "4", "3", "2", "1"]
    assert (more, end) == (True, False)


def test_a_document_has_every_field_clients_expect() -> None:
    failed = job()
    failed.fail("upstream_error", "lost", NOON)

    assert failed.document() == {
        "id": "video_1",
        "object": "video",
        "model": "sora",
        "status": "failed",
        "progress": 0,
        "created_at": NOON // SECOND_US,
        "completed_at": None,
        "expires_at": LATER // SECOND_US,
        "prompt": "a tide",
        "size": "720x1280",
        "seconds": "4",
        "remixed_from_video_id": None,
        "error": {"code": "upstream_error", "message": "lost"},
    }
