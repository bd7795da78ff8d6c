"""The live page on a port of its own, with the synthetic story in its view."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn

from autoscaler.api.app import create_api
from autoscaler.api.view import View
from autoscaler.settings import ApiSettings
from dashboards import live
from streams.clock import ManualClock
from streams.stage import Out
from tests.dashboards.synthetic import NOW_US, story
from tests.services.base import free_port


@dataclass
class LivePage:
    url: str
    view: View
    clock: ManualClock
    published: list[Out] = field(default_factory=list)

    async def publish(self, out: Out) -> None:
        self.published.append(out)


class Server(uvicorn.Server):
    """Lives in a thread, where signals are not its business."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: object = None) -> None:
        await super().startup()
        self.ready.set()


@pytest.fixture(scope="session")
def live_page() -> Iterator[LivePage]:
    port = free_port()
    page = LivePage(f"http://127.0.0.1:{port}/", View(shards=2), ManualClock(NOW_US))
    page.view.feed(story())
    app = create_api(page.view, page.publish, ApiSettings(), page.clock)
    live.mount(app, page.view, page.clock)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="error",
        ws="wsproto",
        timeout_graceful_shutdown=1,
    )
    server = Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.ready.wait(30)
    yield page
    server.should_exit = True
    thread.join(20)
