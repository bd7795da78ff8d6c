"""A stand-in for a video model: long asynchronous jobs that end in a short real MP4."""

import asyncio
import itertools
import os
import threading
from argparse import ArgumentParser, Namespace
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from model_backend.replicas.base import (
    ReplicaMetrics,
    ReplicaOptions,
    json_response,
    problem,
    read_object,
)
from model_backend.replicas.llama_engine import require
from streams.clock import SECOND_US, Clock, system_clock

SIZES: Final = ("720x1280", "1280x720", "1024x1792", "1792x1024")
SECONDS: Final = ("4", "8", "12")
MAX_PROMPT: Final = 32_000
MAX_JOBS: Final = 64
"""Finished jobs beyond this are forgotten, oldest first."""
WAITING_PER_SLOT: Final = 8
STEPS: Final = 20
"""A job advances, and says so, in this many steps."""
NICENESS: Final = 10


@dataclass(slots=True)
class Job:
    """One video being made; ``content`` is the MP4 once it is completed."""

    id: str
    prompt: str
    seconds: str
    size: str
    created_at_us: int
    status: str = "queued"
    progress: int = 0
    completed_at_us: int | None = None
    content: bytes = b""
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)

    def document(self, model: str) -> dict[str, Any]:
        done = self.completed_at_us
        return {
            "id": self.id,
            "object": "video",
            "model": model,
            "status": self.status,
            "progress": self.progress,
            "created_at": self.created_at_us // SECOND_US,
            "completed_at": None if done is None else done // SECOND_US,
            "expires_at": None,
            "prompt": self.prompt,
            "size": self.size,
            "seconds": self.seconds,
            "remixed_from_video_id": None,
            "error": None,
        }


class VideoReplica:
    """A stand-in for a video model: renders a moving gradient as slowly as a GPU would.

    A job of N seconds takes ``--pace`` × N seconds, nearly all of it waiting, and ends in a real
    MP4 at a quarter of the size asked for.
    """

    @staticmethod
    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument("--pace", type=float, default=1.0, help="seconds of work per second")

    def __init__(self, options: ReplicaOptions, arguments: Namespace) -> None:
        require("av")
        self.metrics = ReplicaMetrics(options)
        self.metrics.declare("tidegate_demo_stand_in", "1: stands in for a video model", 1)
        self._options = options
        self._pace = max(0.0, arguments.pace)
        self._clock: Clock = system_clock
        self._slots = asyncio.Semaphore(options.slots)
        self._waiting = 0
        self._jobs: dict[str, Job] = {}
        self._numbers = itertools.count(1)
        self._threads = ThreadPoolExecutor(options.slots, initializer=_yield_to_others)

    async def start(self) -> None:
        """Nothing to load: a stand-in has no weights."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/videos", self._create),
            web.get("/v1/videos", self._list),
            web.get("/v1/videos/{id}", self._show),
            web.get("/v1/videos/{id}/content", self._content),
            web.delete("/v1/videos/{id}", self._delete),
            web.get("/v1/models", self._models),
        ]

    async def exposition(self) -> str:
        return ""

    async def close(self) -> None:
        tasks = [job.task for job in self._jobs.values() if job.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _models(self, _: web.Request) -> web.Response:
        model = {"id": self._options.model, "object": "model", "created": 0, "owned_by": "tidegate"}
        return json_response({"object": "list", "data": [model]})

    async def _create(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        if wrong := _what_is_wrong(body):
            return problem(400, wrong)
        if self._waiting >= WAITING_PER_SLOT * self._options.slots:
            return problem(503, f"{self._options.name} is full", kind="service_unavailable")
        assert body is not None  # noqa: S101 - said by _what_is_wrong
        job = Job(
            id=f"video_{self._options.name}_{next(self._numbers)}",
            prompt=body["prompt"],
            seconds=body.get("seconds", "4"),
            size=body.get("size", "1280x720"),
            created_at_us=self._clock(),
        )
        self._keep(job)
        job.task = asyncio.create_task(self._make(job))
        return json_response(job.document(self._options.model))

    async def _list(self, _: web.Request) -> web.Response:
        jobs = [job.document(self._options.model) for job in reversed(self._jobs.values())]
        ends = {"first_id": jobs[0]["id"], "last_id": jobs[-1]["id"]} if jobs else {}
        return json_response({"object": "list", "data": jobs, "has_more": False, **ends})

    async def _show(self, request: web.Request) -> web.Response:
        job = self._jobs.get(request.match_info["id"])
        return json_response(job.document(self._options.model)) if job else _unknown(request)

    async def _content(self, request: web.Request) -> web.Response:
        job = self._jobs.get(request.match_info["id"])
        if job is None:
            return _unknown(request)
        if not job.content:
            return problem(409, f"video {job.id} is {job.status}, not completed")
        return web.Response(body=job.content, content_type="video/mp4")

    async def _delete(self, request: web.Request) -> web.Response:
        job = self._jobs.pop(request.match_info["id"], None)
        if job is None:
            return _unknown(request)
        if job.task:
            job.task.cancel()
        return json_response({"id": job.id, "object": "video.deleted", "deleted": True})

    def _keep(self, job: Job) -> None:
        self._jobs[job.id] = job
        done = [other.id for other in self._jobs.values() if other.content]
        for oldest in done[: max(0, len(self._jobs) - MAX_JOBS)]:
            del self._jobs[oldest]

    async def _make(self, job: Job) -> None:
        self._wait(+1)
        try:
            await self._slots.acquire()
        finally:
            self._wait(-1)
        self.metrics.running.inc()
        try:
            job.status = "in_progress"
            job.content = await self._render(job)
            job.status, job.progress, job.completed_at_us = "completed", 100, self._clock()
            self.metrics.finished.inc()
        finally:
            self.metrics.running.dec()
            self._slots.release()

    async def _render(self, job: Job) -> bytes:
        """Compute a step's frames, then wait until the step's share of the time has passed."""
        # numpy and PyAV take half a second to load: not before the door is open.
        from model_backend.replicas.clip import Clip  # noqa: PLC0415

        loop = asyncio.get_running_loop()
        began_s, total_s = loop.time(), self._pace * int(job.seconds)
        clip = await loop.run_in_executor(self._threads, Clip, job.size, int(job.seconds))
        for step in range(STEPS):
            await loop.run_in_executor(self._threads, clip.advance, (step + 1) / STEPS)
            job.progress = 100 * step // STEPS
            await asyncio.sleep(began_s + total_s * (step + 1) / STEPS - loop.time())
        return await loop.run_in_executor(self._threads, clip.finish)

    def _wait(self, change: int) -> None:
        self._waiting += change
        self.metrics.waiting.set(self._waiting)


def _what_is_wrong(body: dict[str, Any] | None) -> str:
    if body is None:
        return "the body must be a JSON object"
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not 0 < len(prompt) <= MAX_PROMPT:
        return f"prompt must be a text of 1 to {MAX_PROMPT} characters"
    if body.get("seconds", "4") not in SECONDS:
        return f"seconds must be one of {', '.join(SECONDS)} (as text), got {body['seconds']!r}"
    if body.get("size", SIZES[0]) not in SIZES:
        return f"size must be one of {', '.join(SIZES)}, got {body['size']!r}"
    return ""


def _unknown(request: web.Request) -> web.Response:
    return problem(404, f"there is no video {request.match_info['id']!r} here")


def _yield_to_others() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
