"""Who we are to a target: right and wrong papers at a real TLS server, and files that change."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from streams.errors import InvalidParameterError, SourceUnavailableError
from streams.schemas.telemetry import EngineSample
from streams.sources.access import Access
from streams.sources.asking import Asker
from streams.sources.prometheus_query import PrometheusQuery
from streams.sources.scrape import Scraper, accesses
from streams.sources.settings import AccessSettings, NamedAccess, ScrapeSettings
from streams.sources.targets import target
from tests.services.guarded_page import Papers, guarded, papers

TOKEN = {"header": "Bearer hush"}
PASSWORD = {"header": "Basic YW5uOmh1c2g="}
MUTUAL = {"mutual": True}
HUSH = SecretStr("hush")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return papers(tmp_path_factory.mktemp("papers"))


def access(made: Papers, **settings: Any) -> Access:
    """``settings`` with names of ``made`` for files; the authority is trusted by default."""
    settings = {"ca_file": "authority"} | settings
    files = {name for name in settings if name.endswith("_file")}
    known = {k: str(getattr(made, v)) if k in files and v else v for k, v in settings.items()}
    return Access(AccessSettings(**known), hint="say who we are")


@pytest.mark.parametrize(
    ("door", "settings"),
    [
        pytest.param(TOKEN, {"token": HUSH}, id="token"),
        pytest.param(PASSWORD, {"username": "ann", "password": HUSH}, id="password"),
        pytest.param(MUTUAL, {"cert_file": "client"}, id="certificate"),
    ],
)
async def test_the_right_papers_open(
    made: Papers, door: dict[str, Any], settings: dict[str, Any]
) -> None:
    async with (
        guarded(made, **door) as url,
        Asker(access(made, **settings), timeout_s=5) as asker,
    ):
        assert b"vllm:" in (await asker.page(url)).body


@pytest.mark.parametrize(
    ("door", "settings", "said"),
    [
        pytest.param(TOKEN, {}, "asks who we are (401): say who we are", id="no-token"),
        pytest.param(TOKEN, {"token": SecretStr("psst")}, "asks who we are (401)", id="another"),
        pytest.param(
            PASSWORD,
            {"username": "bob", "password": HUSH},
            "asks who we are (401)",
            id="another-user",
        ),
        pytest.param(MUTUAL, {}, "a certificate of ours (cert_file)", id="no-certificate"),
        pytest.param(
            MUTUAL, {"cert_file": "stranger"}, "a certificate of ours (cert_file)", id="a-strangers"
        ),
        pytest.param({}, {"ca_file": ""}, "that we do not trust (", id="unknown-authority"),
        pytest.param({}, {"ca_file": "stranger"}, "set ca_file", id="another-authority"),
    ],
)
async def test_wrong_ones_do_not_and_are_not_told(
    made: Papers, door: dict[str, Any], settings: dict[str, Any], said: str
) -> None:
    async with (
        guarded(made, **door) as url,
        Asker(access(made, **settings), timeout_s=5) as asker,
    ):
        with pytest.raises(SourceUnavailableError) as caught:
            await asker.page(url)
    assert said in str(caught.value)
    assert not any(secret in repr(caught.value) for secret in ("hush", "psst", "Om"))


async def test_a_prometheus_is_asked_with_them_too(made: Papers) -> None:
    body = '{"status":"success","data":{"version":"3.1"}}'
    async with (
        guarded(made, header="Bearer hush", body=body) as url,
        Asker(access(made, token=HUSH), timeout_s=5) as asker,
    ):
        assert await PrometheusQuery(asker, url).version() == "3.1"


async def test_a_target_is_shown_the_access_that_its_line_names_and_no_other(made: Papers) -> None:
    named = NamedAccess(name="prod", token=HUSH, ca_file=str(made.authority))
    other = NamedAccess(name="lab", ca_file=str(made.authority))
    settings = ScrapeSettings(access=(named, other), timeout_s=5)
    scraper = Scraper(settings, accesses(settings), lambda _: None, lambda: 0)
    up = []
    async with guarded(made, header="Bearer hush") as url:
        for name in ("prod", "lab", ""):
            [sample] = await scraper.read(target(url, {"access": name}, "local"), 7)
            assert isinstance(sample, EngineSample)
            up.append(sample.up)
    await scraper.close()

    assert up == [1.0, 0.0, 0.0]


async def test_a_token_that_changes_is_read_again(made: Papers, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    settings = AccessSettings(token_file=str(file), ca_file=str(made.authority))
    mine = Access(settings, again_s=0)
    async with guarded(made, header="Bearer new") as url, Asker(mine, timeout_s=5) as asker:
        with pytest.raises(SourceUnavailableError):
            await asker.page(url)
        (tmp_path / "next").write_text("new\n")
        os.replace(tmp_path / "next", file)  # noqa: PTH105  as Kubernetes does it
        assert (await asker.page(url)).status == 200


async def test_what_cannot_be_read_later_leaves_what_was(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hush")
    mine = Access(AccessSettings(token_file=str(file)), again_s=0)
    file.unlink()

    assert (await mine.shown()).headers == {"Authorization": "Bearer hush"}


async def test_a_certificate_that_changes_is_shown(made: Papers, tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_bytes(made.stranger.read_bytes())
    settings = AccessSettings(cert_file=str(file), ca_file=str(made.authority))
    mine = Access(settings, again_s=0)
    async with guarded(made, mutual=True) as url, Asker(mine, timeout_s=5) as asker:
        with pytest.raises(SourceUnavailableError):
            await asker.page(url)
        file.write_bytes(made.client.read_bytes())
        assert (await asker.page(url)).status == 200


@pytest.mark.parametrize("name", ["token_file", "ca_file", "cert_file"])
def test_a_file_that_is_not_there_is_said_at_the_start(name: str) -> None:
    with pytest.raises(InvalidParameterError, match=rf"watch\.{name} must be a readable"):
        Access(AccessSettings.model_validate({name: "/nowhere"}), section="watch")


@pytest.mark.parametrize(
    "settings",
    [{"token": "hush", "username": "ann"}, {"token": "hush", "token_file": "x"}, {"key_file": "x"}],
)
def test_what_contradicts_itself_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"only one of|key_file needs"):
        AccessSettings.model_validate(settings)


def test_a_line_cannot_name_an_access_that_is_not_there() -> None:
    with pytest.raises(ValidationError, match=r"access prod is not in scrape\.access"):
        ScrapeSettings(targets=("https://a:1 pool=x access=prod",))


async def test_secrets_are_in_no_representation() -> None:
    settings = ScrapeSettings(access=(NamedAccess(name="prod", token=HUSH, username=""),))
    mine = accesses(settings)["prod"]

    assert "hush" not in f"{settings!r}{settings}{mine!r}{mine.__dict__!r}{await mine.shown()!r}"
