"""What the page would say of a view, without a browser."""

import re
from html import unescape

import pytest

from autoscaler.api.view import View
from dashboards.live import shared
from dashboards.live.frame import Artist, Frame
from streams.clock import ManualClock
from streams.schemas.incidents import Incident, Rule, Subject
from streams.schemas.scaling import PoolStatus
from tests.dashboards.synthetic import NOW_US, message, view

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def frame() -> Frame:
    return Artist().draw(view(), NOW_US)


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_the_same_view_draws_the_same_frame(frame: Frame) -> None:
    assert Artist().draw(view(), NOW_US) == frame


@pytest.mark.parametrize(
    ("part", "told"),
    [
        pytest.param("headline", "codex-2 is frozen.", id="what"),
        pytest.param("headline", "has not answered for 26 s and burns no CPU", id="why"),
        pytest.param("headline", "Users are affected.", id="who-feels-it"),
        pytest.param("headline", "The scaler keeps codex at 3 replicas:", id="what-was-done"),
        pytest.param("story", "gateway moved 3 requests away from codex-2", id="traffic-moved"),
        pytest.param("card-local-codex", "codex-4", id="the-new-replica"),
        pytest.param("card-local-codex", "demo cap 12 tokens/s", id="the-cap"),
        pytest.param("card-local-codex", "2 ready of 3 wanted, 4 at most", id="sizes"),
        pytest.param("card-local-codex", "a reactive policy: 12", id="what-reactive-would-miss"),
        pytest.param("card-local-sora", "stand-in for a video model", id="a-stand-in-says-so"),
        pytest.param("incidents", "93 % codex-2 has not answered", id="causes-are-ranked"),
        pytest.param("incidents", "expected 0.12 s", id="evidence"),
        pytest.param("decisions", "codex 2 → 3", id="decisions"),
        pytest.param("gpus", "gpu-a1", id="gpus"),
        pytest.param("quality", "gateway-7: ttft_s looks like milliseconds", id="bad-senders"),
        pytest.param("quality", "divide by 1,000", id="and-what-to-do"),
        pytest.param("health", "watch shard 1", id="lag-per-shard"),
    ],
)  # fmt: skip
def test_the_page_tells(frame: Frame, part: str, told: str) -> None:
    assert told in words(frame.fragments[part])


def test_an_empty_view_waits() -> None:
    fragments = Artist().draw(View(shards=2), NOW_US).fragments
    assert "Waiting for the first records." in fragments["headline"]


def test_all_is_quiet_when_nothing_is_wrong() -> None:
    fragments = Artist().draw(view(trouble=False), NOW_US).fragments
    assert words(fragments["headline"]).startswith("All quiet. 4 replicas in 2 pools serve")


def test_a_stalled_pipeline_is_not_called_quiet() -> None:
    fragments = Artist().draw(view(trouble=False), NOW_US + 90_000_000).fragments
    assert "Part of the picture is missing." in fragments["headline"]
    assert "5 of 5 stages are behind, by up to 1 min." in fragments["headline"]


def test_no_text_of_others_becomes_markup() -> None:
    stranger = View(shards=1)
    evil = Subject(kind="client", name=EVIL)
    stranger.feed(
        [
            message("pools", PoolStatus(
                pool="codex", service=EVIL, model=EVIL, at_us=NOW_US, desired=1, ready=1, cap=EVIL,
            ), "local/codex"),
            message("incidents", Incident(
                id=f'x"{EVIL}', state="open", severity="warning", cluster="local", pool="codex",
                subject=evil, title=EVIL, started_at_us=NOW_US, opened_at_us=NOW_US,
                updated_at_us=NOW_US, causes=(), timeline=((NOW_US, EVIL),),
            ), "x"),
            message("rules", Rule(
                id="r", kind="hold", at_us=NOW_US, actor=EVIL, pool="codex", reason=f"'{EVIL}",
            ), "r"),
        ]
    )  # fmt: skip
    drawn = "".join(Artist().draw(stranger, NOW_US).fragments.values())
    assert EVIL not in drawn
    assert "&lt;img" in drawn


def test_buttons_ask_the_api_for_what_they_say(frame: Frame) -> None:
    asks = re.findall(r'data-ask="([^"]+)"[^>]*>([^<]+)<', frame.fragments["ask-local-codex"])
    said = {label: unescape(ask) for ask, label in asks}
    assert said["Set 2"] == (
        '{"expires_in_s": 900, "path": "v1/pools/codex/override?cluster=local", "replicas": 2}'
    )
    assert "Set 5" not in said


def test_readers_share_one_drawing_a_second() -> None:
    clock = ManualClock(NOW_US)
    draw = shared(Artist(), view(), clock)
    first = draw()
    assert draw() is first
    clock.advance(1)
    assert draw() is not first
