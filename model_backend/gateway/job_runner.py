"""Runs video jobs: each on one replica at a time, on another one if that is lost."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from model_backend.gateway import refusals
from model_backend.gateway.attempts import at_replica, take_replica
from model_backend.gateway.desk import Ticket
from model_backend.gateway.door import CLIENT_LEFT, Door
from model_backend.gateway.jobs import Job, JobTable
from model_backend.gateway.lanes import Flight
from model_backend.gateway.refusals import RefusedError
from model_backend.gateway.upstream import ReplicaError, Reply
from streams.clock import SECOND_US

MAX_ATTEMPTS: Final = 3
POLL_S: Final = 0.5
JOB_TIMEOUT_S: Final = 3_600.0
"""Of one attempt."""
ASK_TIMEOUT_S: Final = 30.0
MAX_VIDEO_BYTES: Final = 67_108_864
PART_BYTES: Final = 1_048_576
_DELETE_TIMEOUT_S: Final = 1.0
_JSON_HEADERS: Final = {"Content-Type": "application/json"}
_log = structlog.get_logger(__name__)


class _Seen(msgspec.Struct):
    """What a replica says of its job."""

    id: str
    status: str = "queued"
    progress: int = 0
    error: dict[str, str | None] | None = None


class JobRunner:
    """One task per job that has not ended, so bounded by the table.

    A job's video is fetched as soon as it is there, so that its replica may go. Files lie in a
    directory of their own that goes with the gateway.
    """

    def __init__(self, door: Door, table: JobTable, *, poll_s: float = POLL_S) -> None:
        self._door = door
        self._table = table
        self._poll_s = poll_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._directory: Path

    async def open(self) -> None:
        self._directory = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="tidegate-"))

    def start(self, job: Job) -> None:
        """Takes over the job and its place in its tenant's limits."""
        self.forget(self._table.add(job))
        task = asyncio.create_task(self._run(job))
        self._tasks[job.id] = task
        task.add_done_callback(lambda done: self._ended(job, done))

    def expire(self) -> None:
        self.forget(self._table.expire(self._door.clock()))

    async def delete(self, job: Job) -> None:
        """Take it off its replica too, if it is there."""
        self._table.remove(job)
        if task := self._tasks.get(job.id):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.forget([job])

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    def forget(self, jobs: Iterable[Job]) -> None:
        """Remove the files of jobs that nobody can ask for any more."""
        for job in jobs:
            if job.content is not None:
                _remove(job.content)

    def _ended(self, job: Job, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(job.id, None)
        self._door.limits.release(job.tenant)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("job_failed", job=job.id, error=f"{type(error).__name__}: {error}")

    async def _run(self, job: Job) -> None:
        door, call = self._door, job.call
        try:
            await self._make(job)
        except RefusedError as exc:
            refusal = exc.refusal
            job.fail(refusal.code or refusal.type, refusal.message, door.clock())
            ours = refusal.status >= 500
            door.ended(call, "finished" if ours else "rejected", refusal.status, refusal.reason)
        except asyncio.CancelledError:
            if job in self._table:  # nobody wanted it to end: the gateway does
                door.ended(call, "finished", 503, "gateway_stopped")
            else:
                door.ended(call, "cancelled", CLIENT_LEFT, "deleted")
            raise
        else:
            door.ended(call, "finished", 200)
            door.used(call, seconds=float(job.wanted.seconds))
        finally:
            if not call.over:  # a mistake of ours: even that has an end
                job.fail("server_error", "The gateway failed to make the video.", door.clock())
                door.ended(call, "finished", 500, "internal")

    async def _make(self, job: Job) -> None:
        call = job.call
        ticket = Ticket(call.tenant, call.id)
        attempt = failures = 0
        while True:
            flight = await take_replica(self._door, call.pool, ticket, again=attempt > 0)
            call.sent(flight, attempt)
            flight.end_by_us = flight.taken_at_us + round(JOB_TIMEOUT_S * SECOND_US)
            try:
                async with at_replica(self._door, call.pool, flight):
                    await self._render(job, flight)
                    return
            except ReplicaError as exc:
                job.status, job.progress = "queued", 0
                failures += not exc.refused
                attempt += 1
                ticket.avoid.add(flight.lane.replica)
                if failures >= MAX_ATTEMPTS:
                    message = f"The video could not be made in {failures} attempts: {exc}."
                    raise RefusedError(refusals.upstream_failed(message)) from exc

    async def _render(self, job: Job, flight: Flight) -> None:
        """Create it at the replica, follow it, fetch it."""
        url = f"{flight.lane.address}/v1/videos"
        seen = await self._ask(flight, "POST", url, job.wanted.body)
        own = f"{url}/{seen.id}"
        try:
            while seen.status in {"queued", "in_progress"}:
                job.status, job.progress = "in_progress", max(0, min(99, seen.progress))
                await asyncio.sleep(self._poll_s)
                seen = await self._ask(flight, "GET", own)
        except asyncio.CancelledError:
            await self._delete_there(own)
            raise
        if seen.status != "completed":
            told = (seen.error or {}).get("message") or f"The video {seen.status}."
            raise RefusedError(refusals.upstream_failed(told[: refusals.MAX_MESSAGE]))
        await self._fetch(job, flight, own)
        await self._delete_there(own)

    async def _ask(self, flight: Flight, method: str, url: str, body: bytes = b"") -> _Seen:
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                reply = await self._door.upstream.send(method, url, body, _JSON_HEADERS)
                try:
                    raw = await reply.whole()
                finally:
                    reply.close()
        except TimeoutError:
            raise ReplicaError("no answer", silent=True) from None
        self._sign(flight)
        _check(reply, raw)
        try:
            return msgspec.json.decode(raw, type=_Seen)
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise ReplicaError(f"its answer is no video job ({exc})") from exc

    async def _fetch(self, job: Job, flight: Flight, own: str) -> None:
        reply = await self._door.upstream.send("GET", f"{own}/content")
        path = self._directory / f"{job.id}.mp4"
        try:
            if reply.status != 200:
                _check(reply, await reply.whole())
            size = await self._save(flight, reply, path)
        except BaseException:
            _remove(path)
            raise
        finally:
            reply.close()
        job.complete(path, size, self._door.clock())

    async def _save(self, flight: Flight, reply: Reply, path: Path) -> int:
        """Write it down in large parts, each by a thread; the number of bytes."""
        await asyncio.to_thread(path.touch)
        part, size = bytearray(), 0
        async for piece in reply.pieces():
            self._sign(flight)
            part += piece
            if size + len(part) > MAX_VIDEO_BYTES:
                message = f"The video exceeds {MAX_VIDEO_BYTES} bytes."
                raise RefusedError(refusals.upstream_failed(message))
            if len(part) >= PART_BYTES:
                size += await asyncio.to_thread(_append, path, bytes(part))
                part.clear()
        return size + await asyncio.to_thread(_append, path, bytes(part))

    async def _delete_there(self, own: str) -> None:
        """Free the replica's memory; that it is gone already is as good."""
        try:
            async with asyncio.timeout(_DELETE_TIMEOUT_S):
                (await self._door.upstream.send("DELETE", own)).close()
        except (ReplicaError, TimeoutError) as exc:
            _log.info("video_not_deleted_at_replica", cause=str(exc))

    def _sign(self, flight: Flight) -> None:
        now_us = self._door.clock()
        flight.byte_at_us = now_us
        flight.lane.sign(now_us)


def _remove(path: Path) -> None:
    """Nobody waits for it; what should be left goes with the directory."""
    asyncio.get_running_loop().run_in_executor(None, path.unlink, True)  # missing_ok


def _append(path: Path, part: bytes) -> int:
    # Not "ab": were the job deleted meanwhile, that would make its file anew.
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        return file.write(part)


def _check(reply: Reply, body: bytes) -> None:
    """Raises ReplicaError for what another replica may do better, RefusedError for the rest."""
    if reply.status == 200:
        return
    if reply.status >= 500 or reply.status in {404, 429}:
        raise ReplicaError(f"answered {reply.status}")
    raise RefusedError(refusals.told_by_replica(reply.status, body))
