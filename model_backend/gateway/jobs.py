"""The table of video jobs: who has which, how far they are, when they are forgotten."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from model_backend.gateway.bodies import VideoRequest
from model_backend.gateway.calls import Call
from streams.clock import SECOND_US

JobStatus = Literal["queued", "in_progress", "completed", "failed"]

MAX_JOBS: Final = 1_000
KEEP_S: Final = 3_600.0
"""A job that has ended is forgotten after this."""
MAX_CONTENT_BYTES: Final = 536_870_912
"""Of all videos kept; the oldest go first."""


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One video asked for; ``content`` is the file once it is completed."""

    id: str
    call: Call
    wanted: VideoRequest
    created_at_us: int
    status: JobStatus = "queued"
    progress: int = 0
    completed_at_us: int | None = None
    ended_at_us: int | None = None
    error_code: str = ""
    error_message: str = ""
    content: Path | None = None
    content_bytes: int = 0

    @property
    def tenant(self) -> str:
        return self.call.tenant

    @property
    def ended(self) -> bool:
        return self.ended_at_us is not None

    def document(self) -> dict[str, object]:
        """As clients see it."""
        failed = self.status == "failed"
        error = {"code": self.error_code, "message": self.error_message} if failed else None
        return {
            "id": self.id,
            "object": "video",
            "model": self.wanted.model,
            "status": self.status,
            "progress": self.progress,
            "created_at": self.created_at_us // SECOND_US,
            "completed_at": _seconds(self.completed_at_us),
            "expires_at": _seconds(_expiry(self)),
            "prompt": self.wanted.prompt,
            "size": self.wanted.size,
            "seconds": self.wanted.seconds,
            "remixed_from_video_id": None,
            "error": error,
        }

    def complete(self, content: Path, size_bytes: int, now_us: int) -> None:
        self.content, self.content_bytes = content, size_bytes
        self.status, self.progress = "completed", 100
        self.completed_at_us = self.ended_at_us = now_us

    def fail(self, code: str, message: str, now_us: int) -> None:
        self.status, self.ended_at_us = "failed", now_us
        self.error_code, self.error_message = code, message


class JobTable:
    """All jobs, oldest first; bounded in number and in bytes of content.

    When it is full of jobs that have not ended, ``add`` refuses; ended ones make room. What
    ``expire`` and ``add`` return has left the table, and its files with it.
    """

    def __init__(
        self, *, max_jobs: int = MAX_JOBS, max_content_bytes: int = MAX_CONTENT_BYTES
    ) -> None:
        self._max_jobs = max_jobs
        self._max_content_bytes = max_content_bytes
        self._jobs: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def has_room(self) -> bool:
        return len(self._jobs) < self._max_jobs or any(job.ended for job in self._jobs.values())

    def add(self, job: Job) -> list[Job]:
        """Jobs that made room. Only call it if ``has_room``."""
        gone: list[Job] = []
        if len(self._jobs) >= self._max_jobs:
            oldest = next(one for one in self._jobs.values() if one.ended)
            gone.append(self._jobs.pop(oldest.id))
        self._jobs[job.id] = job
        return gone

    def get(self, job_id: str, tenant: str) -> Job | None:
        """A tenant's own job; those of others do not exist for it."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.tenant == tenant else None

    def remove(self, job: Job) -> None:
        self._jobs.pop(job.id, None)

    def __contains__(self, job: Job) -> bool:
        return job.id in self._jobs

    def page(
        self, tenant: str, *, limit: int, after: str, newest_first: bool
    ) -> tuple[list[Job], bool]:
        """A tenant's jobs that come after the one named ``after``, and whether more follow."""
        own = [job for job in self._jobs.values() if job.tenant == tenant]
        if newest_first:
            own.reverse()
        ids = [job.id for job in own]
        start = ids.index(after) + 1 if after in ids else 0
        return own[start : start + limit], len(own) > start + limit

    def expire(self, now_us: int) -> list[Job]:
        """Forget what ended long ago, and the oldest content if there is too much of it."""
        gone = [
            job
            for job in self._jobs.values()
            if (end := _expiry(job)) is not None and end <= now_us
        ]
        kept = [job for job in self._jobs.values() if job.content_bytes and job not in gone]
        excess = sum(job.content_bytes for job in kept) - self._max_content_bytes
        for job in kept:
            if excess <= 0:
                break
            gone.append(job)
            excess -= job.content_bytes
        for job in gone:
            self.remove(job)
        return gone


def _expiry(job: Job) -> int | None:
    return None if job.ended_at_us is None else job.ended_at_us + round(KEEP_S * SECOND_US)


def _seconds(at_us: int | None) -> int | None:
    return None if at_us is None else at_us // SECOND_US
