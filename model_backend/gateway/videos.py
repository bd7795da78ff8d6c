"""The routes of video jobs: create, list, show, delete, fetch."""

from typing import Final
from uuid import uuid4

import msgspec
from aiohttp import web

from model_backend.gateway import refusals
from model_backend.gateway.bodies import VideoRequest, parse_video, video_body
from model_backend.gateway.calls import Call
from model_backend.gateway.door import Door, fresh_headers, json_response
from model_backend.gateway.job_runner import JobRunner
from model_backend.gateway.jobs import Job, JobTable
from model_backend.gateway.refusals import Refusal, RefusedError

MAX_PAGE: Final = 100
_FORMS: Final = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})


class Videos:
    """Handles the routes below /v1/videos."""

    def __init__(self, door: Door, table: JobTable, runner: JobRunner) -> None:
        self._door = door
        self._table = table
        self._runner = runner

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/videos", self._create),
            web.get("/v1/videos", self._list),
            web.get("/v1/videos/{id}", self._show),
            web.delete("/v1/videos/{id}", self._delete),
            web.get("/v1/videos/{id}/content", self._content),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        door, call = self._door, self._door.open(request, "videos")
        try:
            tenant = door.authenticate(request)
            door.admit(call, tenant)
        except RefusedError as exc:
            return door.refused(call, exc.refusal)
        started = False
        try:
            job = await self._accept(request, call)
            self._runner.start(job)
            started = True
        except RefusedError as exc:
            return door.refused(call, exc.refusal)
        finally:
            if not started:
                door.limits.release(tenant.name)
        return json_response(job.document(), call.headers)

    async def _accept(self, request: web.Request, call: Call) -> Job:
        body = await self._body(request)
        wanted = parse_video(body)
        if isinstance(wanted, Refusal):
            raise self._door.malformed(call, body, wanted)
        pool = self._door.find_pool(wanted.model, jobs=True)
        call.pool, call.model = pool.name, pool.model
        self._door.arrived(call)
        waiting, limit = self._door.desks[pool.name].queued, self._door.settings.max_queue
        if waiting >= limit or not self._table.has_room():
            raise RefusedError(refusals.queue_full(pool.name))
        return Job(
            id=f"video_{uuid4().hex}",
            call=call,
            wanted=_for_model(wanted, pool.model),
            created_at_us=call.arrived_at_us,
        )

    async def _body(self, request: web.Request) -> bytes:
        """JSON as it came, or the fields of a form as JSON."""
        if request.content_type not in _FORMS:
            return await self._door.receive(request, request.read)
        fields: dict[str, str] = {}
        try:
            form = await self._door.receive(request, request.post)
        except ValueError as exc:
            raise RefusedError(refusals.invalid(f"The form cannot be read: {exc}.")) from exc
        for name, value in form.items():
            if not isinstance(value, str):
                message = f"{name}: files are not supported by this model."
                raise RefusedError(refusals.invalid(message, param=name))
            fields[name] = value
        return video_body(fields)

    async def _list(self, request: web.Request) -> web.Response:
        tenant = self._door.authenticate(request)
        jobs, more = self._table.page(
            tenant.name,
            limit=_page_size(request.query.get("limit", "20")),
            after=request.query.get("after", ""),
            newest_first=request.query.get("order", "desc") != "asc",
        )
        page = {
            "object": "list",
            "data": [job.document() for job in jobs],
            "first_id": jobs[0].id if jobs else None,
            "last_id": jobs[-1].id if jobs else None,
            "has_more": more,
        }
        return json_response(page, fresh_headers())

    async def _show(self, request: web.Request) -> web.Response:
        return json_response(self._find(request).document(), fresh_headers())

    async def _delete(self, request: web.Request) -> web.Response:
        job = self._find(request)
        await self._runner.delete(job)
        told = {"id": job.id, "object": "video.deleted", "deleted": True}
        return json_response(told, fresh_headers())

    async def _content(self, request: web.Request) -> web.StreamResponse:
        job = self._find(request)
        if request.query.get("variant", "video") != "video":
            message = "variant must be video: nothing else is kept."
            refusal = refusals.invalid(message, param="variant", code="invalid_value")
            raise RefusedError(refusal)
        if job.content is None:
            message = f"Video {job.id} is {job.status}: there is no content."
            raise RefusedError(refusals.not_found(message))
        headers = {**fresh_headers(), "Content-Type": "video/mp4"}
        return web.FileResponse(job.content, headers=headers)

    def _find(self, request: web.Request) -> Job:
        tenant = self._door.authenticate(request)
        job_id = request.match_info["id"]
        job = self._table.get(job_id, tenant.name)
        if job is None:
            raise RefusedError(refusals.not_found(f"Video {job_id[:100]} not found."))
        return job


def _for_model(wanted: VideoRequest, model: str) -> VideoRequest:
    """With the name that replicas know, if the client asked for the service."""
    if wanted.model == model:
        return wanted
    fields = msgspec.json.decode(wanted.body, type=dict[str, msgspec.Raw])
    body = msgspec.json.encode({**fields, "model": model})
    return VideoRequest(
        model=model, prompt=wanted.prompt, seconds=wanted.seconds, size=wanted.size, body=body
    )


def _page_size(text: str) -> int:
    size = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 1 <= size <= MAX_PAGE:
        message = f"limit must be 1 to {MAX_PAGE}, got {text[:40]!r}."
        refusal = refusals.invalid(message, param="limit", code="invalid_value")
        raise RefusedError(refusal)
    return size
