"""The live page: what is wrong, where, since when, and what the scaler did about it."""

import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from nicegui import app as pages
from nicegui import ui
from starlette.routing import Mount

from autoscaler.api.reads import Recall
from autoscaler.api.view import View
from dashboards.live.frame import Artist, Frame
from dashboards.live.page import Page
from streams.clock import SECOND_US, Clock

_STATIC = Path(__file__).parent / "static"
_HEAD = (
    '<link rel="stylesheet" href="live-static/page.css">'
    '<script src="live-static/page.js" defer></script>'
)
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 26 26" fill="none" stroke="#0b7480"'
    ' stroke-width="2.4" stroke-linecap="round"><path d="M4 3v20M22 3v20M4 5h18"/>'
    '<path d="M4 15c3-3 6 3 9 0s6-3 9 0M4 20c3-3 6 3 9 0s6-3 9 0"/></svg>'
)


def mount(app: FastAPI, view: View, clock: Clock, recall: Recall | None = None) -> None:
    """Serve the page at ``/`` of the API, behind the same door.

    Without a reader it draws nothing and has no timer. What a reader asks for (a hold, a size, a
    verdict on an anomaly) goes through the API's own routes.
    """
    artist = Artist()
    draw = shared(artist, view, clock)

    @app.get("/why/{anomaly}", include_in_schema=False)
    async def why(anomaly: str) -> HTMLResponse:
        if (found := view.anomaly(anomaly)) is None:
            return HTMLResponse("", HTTPStatus.NOT_FOUND)
        day_before = None if recall is None else await recall(found)
        return HTMLResponse(artist.why(view.why(found, day_before)))

    @ui.page("/", response_timeout=10.0)
    def live_page() -> None:
        ui.add_head_html(_HEAD)
        Page(draw).build()

    pages.add_static_files("/live-static", _STATIC)
    ui.run_with(
        app,
        title="Tidegate",
        favicon=_ICON,
        dark=None,
        tailwind=False,
        binding_refresh_interval=None,
        show_welcome_message=False,
    )
    _leave_the_api_alone(app)


def _leave_the_api_alone(app: FastAPI) -> None:
    """The page is mounted at the root and would answer an unknown `/v1/...` with a page of its own;
    that answer is the API's.
    """
    mounted = app.router.routes[-1]
    if isinstance(mounted, Mount):
        mounted.path_regex = re.compile(r"^/(?!v1(?:/|$))(?P<path>.*)$")


def shared(artist: Artist, view: View, clock: Clock) -> Callable[[], Frame]:
    """Draws at most once a second, however many read."""
    newest: list[Frame] = []

    def draw() -> Frame:
        now_us = clock()
        if not newest or now_us - newest[0].now_us >= 0.9 * SECOND_US:
            newest[:] = [artist.draw(view, now_us)]
        return newest[0]

    return draw
