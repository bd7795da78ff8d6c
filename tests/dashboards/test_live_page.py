"""The page as a browser gets it, from the API's own app."""

import json
import urllib.error
import urllib.request

import pytest

from tests.dashboards.conftest import LivePage


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def test_the_first_answer_already_says_what_is_wrong(live_page: LivePage) -> None:
    page = get(live_page.url)
    for told in ("codex-2 is frozen.", "On the way: codex-4.", "demo cap 12 tokens/s"):
        assert told in page


def test_nothing_is_loaded_from_elsewhere(live_page: LivePage) -> None:
    for name in ("", "live-static/page.css", "live-static/page.js"):
        text = get(live_page.url + name).replace("http://www.w3.org/", "")
        assert not [word for word in ("http://", "https://", "@import url(//") if word in text]


def test_the_api_beside_it_keeps_its_own_answers(live_page: LivePage) -> None:
    assert json.loads(get(f"{live_page.url}v1/pools"))
    with pytest.raises(urllib.error.HTTPError) as failure:
        get(f"{live_page.url}v1/nope")
    with failure.value as answer:
        assert (answer.code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_the_page_has_the_security_headers_of_the_api(live_page: LivePage) -> None:
    with urllib.request.urlopen(live_page.url, timeout=20) as answer:
        assert answer.headers["x-frame-options"] == "DENY"
