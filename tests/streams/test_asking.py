"""Whatever an address answers: an answer, or one sentence that says what to do."""

import socket
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from streams.errors import SourceUnavailableError
from streams.sources.access import Access
from streams.sources.asking import Asker
from streams.sources.settings import AccessSettings
from tests.services.base import free_port
from tests.services.engine_pages import EnginePage

NOBODY = Access(hint="give us a token")
ROOM = 1_000_000


@pytest.fixture
def page() -> Iterator[EnginePage]:
    with EnginePage() as page:
        yield page


async def refused(url: str, access: Access = NOBODY) -> str:
    async with Asker(access, timeout_s=5) as asker:
        with pytest.raises(SourceUnavailableError) as caught:
            await asker.page(url)
    return str(caught.value)


async def test_a_page_is_read_whole(page: EnginePage) -> None:
    async with Asker(NOBODY, timeout_s=5) as asker:
        answer = await asker.page(f"{page.url}/metrics")
    assert b"vllm:num_requests_running" in answer.body
    assert not answer.cut


async def test_of_an_endless_page_so_much_is_read_and_no_more(page: EnginePage) -> None:
    page.body = b"x 1\n" * 5_000_000
    async with Asker(NOBODY, timeout_s=5) as asker:
        answer = await asker.get(page.url, max_bytes=ROOM)
    assert (len(answer.body), answer.cut) == (ROOM, True)


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        pytest.param(
            302, {"Location": "https://login.example/"}, "sends us on to https://login", id="moved"
        ),
        pytest.param(401, {}, "asks who we are (401): give us a token", id="a-stranger"),
        pytest.param(503, {}, "answers 503", id="ill"),
        pytest.param(200, {"Content-Type": "text/html"}, "a web page (HTML), not", id="html"),
    ],
)
async def test_what_is_no_page_is_said_so(
    page: EnginePage, status: int, headers: dict[str, str], said: str
) -> None:
    page.body, page.status, page.headers = b"...", status, headers
    assert said in await refused(page.url)


async def test_html_without_a_content_type_is_seen_too(page: EnginePage) -> None:
    page.body, page.headers = b"\n<!doctype html><p>hello", {}
    assert "a web page (HTML)" in await refused(page.url)


async def test_nobody_there() -> None:
    assert "cannot be reached (connection refused)" in await refused(
        f"http://127.0.0.1:{free_port()}"
    )


async def test_who_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/metrics"
        async with Asker(NOBODY, timeout_s=0.2) as asker:
            with pytest.raises(SourceUnavailableError, match=r"did not answer in 0\.2 s"):
                await asker.page(url)


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        pytest.param(AccessSettings(token=SecretStr("hush")), "Bearer hush", id="token"),
        pytest.param(
            AccessSettings(username="ann", password=SecretStr("hush")),
            "Basic YW5uOmh1c2g=",
            id="password",
        ),
    ],
)
async def test_we_say_who_we_are_and_never_tell(
    page: EnginePage, settings: AccessSettings, header: str
) -> None:
    page.body, page.status = b"", 403
    said = await refused(page.url, Access(settings))
    assert page.asked[0]["Authorization"] == header
    assert "hush" not in said + repr(settings)


async def test_a_redirect_does_not_take_the_secret_along(page: EnginePage) -> None:
    with EnginePage() as other:
        page.body, page.status, page.headers = b"", 307, {"Location": other.url}
        await refused(page.url, Access(AccessSettings(token=SecretStr("hush"))))
    assert other.asked == []
