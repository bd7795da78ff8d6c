"""Senders that behave badly for a while: an incident a source and kind, that pages nobody."""

from collections.abc import Iterator

import pytest

from detectors.alerts.plan import Audience, Situation, verdict
from detectors.incidents.respond import Respond
from streams.clock import SECOND_US
from streams.schemas.incidents import Command, Incident
from streams.schemas.origins import INTERVAL_S, Origins
from streams.schemas.system import Quality
from streams.stage import Arrival, Tick

START_US = 1_767_225_600 * SECOND_US
LATE = {"late": 30}
Sent = dict[str, dict[str, int]]
"""Origin -> its counts of ten seconds; nothing: it sent what is well."""


class Story:
    """Ten seconds after ten seconds of one source through RESPOND, in a world without pools."""

    def __init__(self, source: str = "requests") -> None:
        self.respond = Respond()
        self.kept: dict[str, bytes] = {}
        self.now_us = START_US
        self.source = source

    def goes_on(self, sent: Sent, *, s: int, commands: tuple[Command, ...] = ()) -> list[Incident]:
        return [
            each
            for _ in range(s // INTERVAL_S)
            for each in self.step(Tick(now_us=self._later(), arrivals=self._told(sent, commands)))
        ]

    def starts_anew(self) -> None:
        self.respond = Respond()
        self.respond.restore(self.kept)

    def step(self, tick: Tick) -> Iterator[Incident]:
        outcome = self.respond.step(tick)
        for key, value in outcome.state.items():
            self.kept.pop(key, None)
            self.kept |= {key: value} if value is not None else {}
        for out in outcome.out:
            assert isinstance(out.value, Incident)
            yield out.value

    def _later(self) -> int:
        self.now_us += INTERVAL_S * SECOND_US
        return self.now_us

    def _told(self, sent: Sent, commands: tuple[Command, ...]) -> tuple[Arrival, ...]:
        names = tuple(sorted(sent))
        late = tuple(sent[name].get("late", 0) for name in names)
        from_us = self.now_us - INTERVAL_S * SECOND_US
        origins = Origins(from_us=from_us, names=names, records=(100,) * len(names), late=late)
        quality = Quality(
            at_us=from_us, source=self.source, partition=0, records=0, accepted=0,
            origins=origins, lateness_s=2.0,
        )  # fmt: skip
        return tuple(
            Arrival(at_us=self.now_us - 1, id=str(n), topic="quality", record=record)
            for n, record in enumerate((quality, *commands))
        )


@pytest.fixture
def story() -> Story:
    return Story()


def test_what_lasts_becomes_an_incident_that_says_who_and_what_to_do(story: Story) -> None:
    (incident,) = story.goes_on({"shop-1": LATE, "shop-2": {}}, s=120)

    assert incident.causes[0].kind == "telemetry_late"
    assert incident.causes[0].subject.name == "shop-1"
    assert "30 % of its records" in incident.causes[0].sentence
    assert "raise windows.lateness_s" in incident.causes[0].sentence


def test_what_happens_once_does_not(story: Story) -> None:
    story.goes_on({"shop-1": {}}, s=60)

    assert story.goes_on({"shop-1": LATE}, s=20) + story.goes_on({"shop-1": {}}, s=120) == []


def test_nobody_is_paged_and_no_pool_is_held_for_it(story: Story) -> None:
    (incident,) = story.goes_on({"shop-1": LATE}, s=120)
    told = Situation(incident=incident, audience=Audience(channel="pager"), now_us=story.now_us)

    assert verdict(told).reason == "info is below warning"
    assert (incident.pool, incident.users_hurt, incident.trust_hurt) == ("", False, False)


def test_another_sender_joins_it_and_a_hundred_make_no_more_of_it(story: Story) -> None:
    (first,) = story.goes_on({"shop-0": LATE}, s=120)

    told = story.goes_on({f"shop-{n}": LATE for n in range(100)}, s=300)

    assert {one.id for one in told} == {first.id}
    assert len(told) == 1
    assert len(told[0].causes) == 4


def test_it_is_over_when_nobody_has_complained_for_five_minutes(story: Story) -> None:
    (first,) = story.goes_on({"shop-1": LATE}, s=120)

    assert story.goes_on({"shop-1": {}}, s=340) == []
    (last,) = story.goes_on({"shop-1": {}}, s=60)

    assert (last.id, last.state) == (first.id, "resolved")


def test_bad_stretches_a_few_minutes_apart_are_one_and_an_hour_apart_are_two(story: Story) -> None:
    found = []
    for quiet_s in (240, 3_600, 600):
        found += story.goes_on({"shop-1": LATE}, s=120)
        found += story.goes_on({"shop-1": {}}, s=quiet_s)

    assert len({one.id for one in found}) == 2


def test_what_a_person_resolved_stays_so_while_it_goes_on(story: Story) -> None:
    (first,) = story.goes_on({"shop-1": LATE}, s=120)
    word = Command(id="c", at_us=story.now_us, kind="resolve", actor="ann", incident=first.id)

    (last,) = story.goes_on({"shop-1": LATE}, s=10, commands=(word,))

    assert last.timeline[-1][1] == "resolved: by ann"
    assert story.goes_on({"shop-1": LATE}, s=900) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param("requests", ["telemetry_missing"], id="a-producer-is-missed"),
        pytest.param("engine", [], id="but-whom-watch-misses-is-not-missed-twice"),
    ],
)
def test_who_falls_silent(source: str, found: list[str]) -> None:
    story = Story(source)
    story.goes_on({"shop-1": {}, "shop-2": {}}, s=180)

    told = story.goes_on({"shop-2": {}}, s=180)

    assert [one.causes[0].kind for one in told] == found


@pytest.mark.parametrize("after_s", [30, 90, 150, 430])
def test_a_restart_changes_nothing(after_s: int) -> None:
    steady, restarted = Story(), Story()
    sent: list[Sent] = [{"a": LATE, "b": {}}] * 12 + [{"b": LATE}] * 6 + [{"b": {}}] * 40
    found: list[list[Incident]] = [[], []]
    for number, each in enumerate(sent):
        if number * INTERVAL_S == after_s:
            restarted.starts_anew()
        for story, told in zip((steady, restarted), found, strict=True):
            told.extend(story.goes_on(each, s=INTERVAL_S))

    assert len(found[0]) >= 3
    assert found[0] == found[1]
    assert steady.kept == restarted.kept
