"""A person at the terminal, before a control API whose PLAN carries out what it is told."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr

from autoscaler.api.app import create_api
from autoscaler.api.view import View
from autoscaler.rules import RuleBook
from autoscaler.schedules.rules import Bounds
from autoscaler.settings import ApiSettings
from streams.clock import ManualClock
from streams.errors import BrokerUnavailableError
from streams.schemas.comparison import Comparison, Side
from streams.schemas.incidents import Audit, Command
from streams.stage import Out
from tests.autoscaler.messages import message
from tests.autoscaler.world import at, pool_status
from tests.dashboards.conftest import Server
from tests.services.base import free_port
from tidegate.cli import main

OFFICE = ["office", "--at", "08:00", "--weekdays", "mon,tue", "--lasts", "36000", "--min", "2"]


class Plan:
    """Takes what the API publishes, and does it; ``lost``: so many answers of the broker are."""

    def __init__(self) -> None:
        self.view = View(shards=1)
        self.commands: list[Command] = []
        self.actors: list[str] = []
        self.lost = 0
        self.view.feed([message("pools", "local/codex", pool_status(0, max_replicas=4))])

    async def publish(self, out: Out) -> None:
        if isinstance(out.value, Audit):
            self.actors.append(out.value.actor)
        if not isinstance(out.value, Command):
            return
        if self.lost:
            self.lost -= 1
            raise BrokerUnavailableError("127.0.0.1:9092", "connection refused")
        self.commands.append(out.value)
        book = RuleBook(self.view.rules())
        bounds = {("local", "codex"): Bounds(low=1, high=4, standing=1)}
        rules = book.carry_out(out.value, bounds)
        self.view.feed([message("rules", rule.id, rule) for rule in rules])


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan()


@pytest.fixture(scope="module")
def api(plan: Plan) -> Iterator[str]:
    port = free_port()
    app = create_api(
        plan.view, plan.publish, ApiSettings(token=SecretStr("tg-1")), ManualClock(at(12))
    )
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error")
    server = Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.ready.wait(30)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(autouse=True)
def _ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TIDEGATE_API__TOKEN", "tg-1")


def said(capsys: pytest.CaptureFixture[str], api: str, *words: str) -> tuple[int, str]:
    code = main([*words, "--api", api])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_a_schedule_is_added_seen_replaced_and_removed(
    capsys: pytest.CaptureFixture[str], api: str, plan: Plan
) -> None:
    assert said(capsys, api, "schedules", "list", "codex") == (0, "no schedules of codex\n")

    code, text = said(capsys, api, "schedules", "add", "codex", *OFFICE, "--actor", "ann")
    assert (code, text) == (
        0,
        "office of codex: at least 2 replicas, mon, tue 08:00 UTC for 10 h; accepted\n",
    )
    assert plan.actors[-1] == "ann"
    assert plan.commands[-1].if_match != ()

    code, text = said(capsys, api, "schedules", "list", "codex")
    assert text.splitlines()[0] == "office: at least 2 replicas, mon, tue 08:00 UTC for 10 h"
    assert "by ann" in text

    code, text = said(capsys, api, "schedules", "add", "codex", *OFFICE)
    assert code == 2
    assert "must be new among the schedules of codex, unless --replace" in text
    assert said(capsys, api, "schedules", "add", "codex", *OFFICE, "--replace")[0] == 0

    code, text = said(capsys, api, "schedules", "remove", "codex", "office")
    assert (code, text.split(":")[0]) == (0, "office of codex is forgotten")
    assert said(capsys, api, "schedules", "list", "codex")[1] == "no schedules of codex\n"


def test_an_order_whose_answer_is_lost_is_given_once(
    capsys: pytest.CaptureFixture[str], api: str, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.control_api.PAUSE_S", 0.05)
    before, plan.lost = len(plan.commands), 1
    assert said(capsys, api, "schedules", "add", "codex", "once", *OFFICE[1:])[0] == 0
    assert len(plan.commands) == before + 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param(["schedules", "list", "sora"], "no pool 'sora'; there is codex", id="pool"),
        pytest.param(["schedules", "remove", "codex", "none"], "no schedule 'none'", id="schedule"),
        pytest.param(
            ["schedules", "add", "codex", "x", "--at", "25:00", "--lasts", "60", "--min", "1"],
            "--at must be String should match pattern",
            id="time",
        ),
        pytest.param(
            ["schedules", "add", "codex", "x", "--at", "08:00", "--lasts", "60"],
            "at least one of min_replicas, max_replicas, times, rate_per_s is needed",
            id="nothing-said",
        ),
        pytest.param(
            ["schedules", "add", "codex", "x", "--at", "08:00", "--lasts", "60", "--min", "9"],
            "min_replicas of schedule x must be 0 to 4, the bounds of pool codex, got 9",
            id="beyond-the-bounds",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], api: str, words: list[str], why: str
) -> None:
    code, text = said(capsys, api, *words)
    assert code
    assert why in text
    assert len(text.splitlines()) == 1


def test_days_are_compared(capsys: pytest.CaptureFixture[str], api: str, plan: Plan) -> None:
    assert "no day of codex was compared yet" in said(capsys, api, "compare", "codex")[1]
    plan.view.feed(
        message("comparisons", day.id, day) for day in (_day(24, 60.0, 41.0), _day(25, 40.0, 29.0))
    )
    text = said(capsys, api, "compare", "codex")[1]
    assert text.splitlines() == [
        "day 25", "day 24",
        "2 days: 70 instead of 100 GPU-hours (-30%), about 2 instead of 18 of 2,000 missed",
    ]  # fmt: skip
    assert said(capsys, api, "compare", "codex", "--days", "1")[1] == "day 25\n"


def _day(number: int, present: float, planned: float) -> Comparison:
    more: dict[str, Any] = {"ladder": "shadow", "hours": 24.0, "arrived": 1_000, "missed": 9}
    return Comparison(
        id=f"local/codex/2026-11-{number}",
        at_us=at(number),
        cluster="local",
        pool="codex",
        day=f"2026-11-{number}",
        present=Side(gpu_hours=present, missed=9),
        planned=Side(gpu_hours=planned, missed=1),
        sentence=f"day {number}",
        **more,
    )


def test_without_an_api_or_its_token_it_says_what_to_do(
    capsys: pytest.CaptureFixture[str], api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    code, text = said(capsys, nobody, "compare", "codex")
    assert code == 1
    assert f"the control API at {nobody} does not answer" in text
    monkeypatch.delenv("TIDEGATE_API__TOKEN")
    assert "set TIDEGATE_API__TOKEN" in said(capsys, api, "compare", "codex")[1]
