"""All detectors of a kind on its windows: who is looked at, what excuses, what is said."""

from typing import Any, Literal

import numpy as np
import pytest

from autoscaler.api.writes import change_of
from detectors.grace import Grace
from detectors.panel import Panel
from detectors.settings import DetectionSettings
from streams.errors import InvalidParameterError
from streams.schemas.anomalies import Anomaly
from streams.schemas.base import Record
from streams.schemas.incidents import Feedback
from streams.schemas.telemetry import Change, EngineSample, RequestEvent
from streams.windows.delta import to_table

SECOND_US = 1_000_000
NOON_US = 1_767_268_800 * SECOND_US
UP = {
    "kind": "limit",
    "series": "engine",
    "values": ["up_min"],
    "graced": False,
    "with": {"limit": 0.5, "normal": 1},
}
FLOOD = {
    "kind": "limit",
    "series": "request",
    "values": ["rejected_per_s"],
    "by": ["cluster", "pool", "tenant"],
    "with": {"limit": 3},
}

SLOW = {"kind": "ewma", "series": "engine", "values": ["rss_bytes_max"]}


class World:
    """One panel, second by second."""

    def __init__(self, *detectors: dict[str, Any], kind: Any = "engine") -> None:
        settings = DetectionSettings.model_validate({"detectors": detectors, "anomaly_after_s": 2})
        self.panel = Panel(kind, settings, interval_us=SECOND_US)
        self.grace = Grace(grace_us=10 * SECOND_US)
        self.kind = kind
        self.at_us = NOON_US

    def change(self, kind: Any, replica: str = "") -> None:
        self.grace.take(
            Change(
                id=kind,
                at_us=self.at_us,
                kind=kind,
                summary=kind,
                pool="codex",
                replica=replica,
            )
        )

    def second(self, *records: Record) -> list[Anomaly]:
        window = to_table(self.kind, records, interval_us=SECOND_US) if records else None
        found = self.panel.step(window, self.at_us, self.grace)
        self.at_us += SECOND_US
        return found

    def up(self, **replicas: float) -> list[Anomaly]:
        """What is found when replicas (``a`` is codex-a) answer (1) or do not (0)."""
        return self.second(
            *(
                EngineSample(at_us=self.at_us, pool="codex", replica=f"codex-{name}", up=up)
                for name, up in replicas.items()
            )
        )

    def slow_twice(self, verdict: Literal["wrong", "withdrawn"]) -> list[Anomaly]:
        """Two minutes of the usual before each; after the first it is `wrong`, then ``verdict``."""
        found: list[Anomaly] = []
        for value in 2 * [*60 * [90.0, 110.0], *3 * [300.0]] + 20 * [90.0, 110.0]:
            found += self.second(
                EngineSample(at_us=self.at_us, pool="codex", replica="codex-a", rss_bytes=value)
            )
            if found and found[-1].ended_at_us and self.at_us == NOON_US + 140 * SECOND_US:
                for said in dict.fromkeys(("wrong", verdict)):
                    word = Feedback(id=said, at_us=0, anomaly=found[-1].id, verdict=said)
                    self.grace.take(change_of(word, found[-1]))
        return found

    def rejected(self, **tenants: int) -> list[Anomaly]:
        return self.second(
            *(
                RequestEvent(
                    kind="rejected", at_us=self.at_us, pool="codex", tenant=tenant, route=route
                )
                for tenant, times in tenants.items()
                for route in ("chat", "embed")
                for _ in range(times)
            )
        )


def test_who_does_not_answer_for_long_enough_is_named() -> None:
    world = World(UP)
    world.up(a=1, b=1)
    assert world.up(a=1, b=0) == []
    (found,) = world.up(a=1, b=0)
    assert found.labels["replica"] == "codex-b"
    assert (found.feature, found.direction, found.detector) == ("engine.up_min", "below", "limit")
    assert found.started_at_us == NOON_US + SECOND_US
    assert found.sentence == "up_min is 0, expected at least 0.5"


SILENCE = {
    "kind": "silence",
    "series": "engine",
    "values": ["silent_s"],
    "lag_s": 0,
    "after_s": 0,
    "with": {"least_s": 5, "enough": 3},
}


def heard(world: World, *names: str, times: int) -> list[Anomaly]:
    return [one for _ in range(times) for one in world.up(**dict.fromkeys(names, 1.0))]


def test_who_is_not_heard_of_any_more_is_named() -> None:
    world = World(SILENCE)
    heard(world, "a", "b", times=5)
    assert heard(world, "a", times=4) == []
    (found, *_) = heard(world, "a", times=2)
    assert found.labels["replica"] == "codex-b"
    assert (found.feature, found.actual) == ("engine.silent_s", 6)


def test_nobody_is_missed_where_nobody_is_heard() -> None:
    world = World(SILENCE)
    heard(world, "a", "b", times=5)
    assert [one for _ in range(20) for one in world.second()] == []


@pytest.mark.parametrize("kind", ["replica_stopped", "replica_lost"])
def test_who_is_known_to_be_gone_is_not_missed(kind: str) -> None:
    world = World(SILENCE)
    heard(world, "a", "b", times=5)
    world.change(kind, "codex-b")
    assert heard(world, "a", times=20) == []


def test_silence_ends_when_it_is_heard_again() -> None:
    world = World(SILENCE)
    heard(world, "a", "b", times=5)
    heard(world, "a", times=8)
    assert heard(world, "a", "b", times=15)[-1].ended_at_us == NOON_US + 13 * SECOND_US


def test_silence_that_lasts_ends_as_well() -> None:
    world = World(SILENCE)
    heard(world, "a", "b", times=5)
    assert heard(world, "a", times=300)[-1].ended_at_us is not None


def test_the_same_finding_has_the_same_id_in_every_run() -> None:
    ids = []
    for _ in range(2):
        world = World(UP)
        ids += [one.id for _ in range(3) for one in world.up(a=0)]
    assert len(ids) == 4 - 2
    assert ids[0] == ids[1]


def test_where_narrows_whom_a_detector_looks_at() -> None:
    world = World(UP | {"where": {"replica": "codex-a"}})
    found = [one for _ in range(3) for one in world.up(a=0, b=0)]
    assert {one.labels["replica"] for one in found} == {"codex-a"}


def test_series_are_summed_up_by_labels() -> None:
    world = World(FLOOD, kind="request")
    found = [one for _ in range(3) for one in world.rejected(elm=2, acme=1)]
    assert {tuple(one.labels.values()) for one in found} == {("local", "codex", "elm")}
    assert found[0].actual == 4


def test_a_client_that_stops_has_a_rate_of_zero_and_its_anomaly_ends() -> None:
    world = World(FLOOD, kind="request")
    for _ in range(3):
        world.rejected(elm=5)
    found = [one for _ in range(12) for one in world.second()]
    assert [one.ended_at_us for one in found] == [NOON_US + 3 * SECOND_US]


def test_a_series_that_simply_ends_is_no_anomaly() -> None:
    world = World(UP)
    world.up(a=1, b=1)
    assert not any(world.up(a=1) for _ in range(60))


def test_a_starting_replica_need_not_answer() -> None:
    world = World(UP)
    world.change("replica_started", "codex-b")
    assert not any(world.up(a=1, b=0) for _ in range(8))
    world.change("replica_ready", "codex-b")
    assert [len(world.up(a=1, b=0)) for _ in range(2)] == [0, 1]


def test_a_replica_stopped_on_purpose_need_not_answer() -> None:
    world = World(UP)
    world.up(a=1, b=1)
    world.change("replica_stopped", "codex-b")
    assert not any(world.up(a=1, b=0) for _ in range(8))


def test_a_lost_replica_is_named_though_nothing_is_heard_of_it_any_more() -> None:
    world = World(UP)
    world.up(a=1, b=1)
    world.change("replica_lost", "codex-b")
    found = [one for _ in range(3) for one in world.up(a=1)]
    assert {one.labels["replica"] for one in found} == {"codex-b"}


def test_a_lost_replica_that_answers_again_is_not() -> None:
    world = World(UP)
    world.up(a=1, b=1)
    world.change("replica_lost", "codex-b")
    assert not any(world.up(a=1, b=1) for _ in range(5))


LEARNED = {
    "kind": "ewma",
    "series": "engine",
    "values": ["scrape_s_mean"],
    "lag_s": 0,
    "with": {"warmup_s": 5, "floor": 0.01},
}


@pytest.mark.parametrize(
    ("detector", "found"),
    [
        pytest.param(LEARNED, False, id="a-learned-detector-starts-nothing"),
        pytest.param(LEARNED | {"graced": False}, True, id="unless-it-has-no-grace"),
    ],
)
def test_shortly_after_a_change(detector: dict[str, Any], found: bool) -> None:
    world = World(detector)
    for scrape_s in [0.1] * 20:
        world.second(sample(world, scrape_s))
    world.change("taken_back", "codex-a")
    assert any(world.second(sample(world, 5.0)) for _ in range(5)) is found


def sample(world: World, scrape_s: float) -> EngineSample:
    return EngineSample(at_us=world.at_us, pool="codex", replica="codex-a", scrape_s=scrape_s)


def test_two_detectors_of_one_value_make_one_anomaly() -> None:
    world = World(UP, UP | {"with": {"limit": 0.9, "normal": 1}})
    found = [one for _ in range(4) for one in world.up(a=0)]
    assert len({one.id for one in found}) == 1
    assert {round(one.score, 6) for one in found} == {10.0}


def test_a_detector_on_several_values_names_the_one_that_lies_farthest_out() -> None:
    world = World(
        {
            "kind": "isolation_forest",
            "series": "engine",
            "values": ["in_flight_mean", "cpu_ratio_mean"],
            "lag_s": 0,
            "with": {"refit_s": 20, "sigmas": 4},
        }
    )
    rng = np.random.default_rng(4)
    for in_flight, cpu in rng.normal([10, 1], [1, 0.1], (60, 2)):
        world.second(busy(world, in_flight, cpu))
    (found,) = [one for _ in range(2) for one in world.second(busy(world, 14.0, 5.0))]
    assert (found.feature, found.detector) == ("engine.cpu_ratio_mean", "isolation_forest")


TOGETHER = {
    "kind": "ensemble",
    "series": "engine",
    "values": ["in_flight_mean", "cpu_ratio_mean"],
    "lag_s": 0,
}


def test_an_ensemble_says_which_value_carries_what_it_found() -> None:
    world = World(TOGETHER)
    for in_flight, cpu in np.random.default_rng(4).normal([10, 1], [1, 0.1], (90, 2)):
        assert not world.second(busy(world, in_flight, cpu))
    (found,) = [one for _ in range(2) for one in world.second(busy(world, 10.0, 5.0))]
    assert (found.feature, found.detector) == ("engine.cpu_ratio_mean", "ensemble")
    assert found.carried_by["engine.cpu_ratio_mean"] > 0.9
    assert sum(found.carried_by.values()) == pytest.approx(1, abs=0.01)


def test_an_ensemble_judges_by_the_values_that_are_there() -> None:
    world = World(TOGETHER)
    for cpu in np.random.default_rng(5).normal(1, 0.1, 90).tolist():
        world.second(busy(world, None, cpu))
    assert any(world.second(busy(world, None, 5.0)) for _ in range(3))


def test_a_value_that_was_missing_now_and_then_is_judged_like_any_other() -> None:
    world = World(TOGETHER | {"smooth_s": 1})
    for number, (in_flight, cpu) in enumerate(
        np.random.default_rng(6).normal([9, 1], 0.1, (90, 2))
    ):
        world.second(busy(world, in_flight if number % 7 else None, cpu))
    found = [one for _ in range(3) for one in world.second(busy(world, 30.0, 1.0))]
    assert {one.feature for one in found} == {"engine.in_flight_mean"}


def busy(world: World, in_flight: float | None, cpu: float) -> EngineSample:
    return EngineSample(
        at_us=world.at_us, pool="codex", replica="codex-a", in_flight=in_flight, cpu_ratio=cpu
    )


def test_a_lost_replica_never_heard_of_is_nobody_to_name() -> None:
    world = World(UP)
    world.change("replica_lost", "codex-z")
    assert not any(world.up(a=1) for _ in range(3))


def test_a_value_that_does_not_exist_is_named() -> None:
    with pytest.raises(InvalidParameterError, match="uptime"):
        World(UP | {"values": ["uptime"]})


def test_what_was_called_wrong_is_not_found_again() -> None:
    wrong = {one.id for one in World(SLOW).slow_twice("wrong")}
    withdrawn = {one.id for one in World(SLOW).slow_twice("withdrawn")}
    assert (len(wrong), len(withdrawn)) == (1, 2)


def test_a_bank_may_know_the_hour() -> None:
    seasonal = {
        "kind": "seasonal",
        "series": "request",
        "values": ["rejected_per_s", "week_s"],
        "by": ["cluster", "pool"],
        "lag_s": 0,
        "with": {"visits": 1, "sigmas": 4, "floor": 1},
    }
    world = World(seasonal, kind="request")
    assert [one for _ in range(60) for one in world.rejected(elm=1)] == []
    assert world.second() == []
    found = [one for _ in range(3) for one in world.rejected(elm=40)]
    assert {(one.feature, one.direction) for one in found} == {("request.rejected_per_s", "above")}


def first_word(world: World, *, alone: int = 0) -> list[Anomaly]:
    """What is found in the first seconds of a replica that is not like the others of its pool."""
    for second in range(60):
        world.second(
            *(resident(world, name, 100 + (second + at) % 3) for at, name in enumerate("ab"))
        )
    others = [resident(world, "c", 300.0, pool="sora" if alone else "codex")]
    return [one for _ in range(5) for one in world.second(*others)]


def resident(world: World, name: str, value: float, pool: str = "codex") -> EngineSample:
    return EngineSample(at_us=world.at_us, pool=pool, replica=name, rss_bytes=value)


def test_a_newcomer_is_judged_by_what_its_pool_has_shown() -> None:
    (found, *_) = first_word(World(SLOW))
    assert found.labels["replica"] == "c"
    assert (found.started_at_us, round(found.expected)) == (NOON_US + 60 * SECOND_US, 101)


@pytest.mark.parametrize(
    ("detector", "alone"),
    [
        pytest.param(SLOW, 1, id="not-by-what-another-pool-has-shown"),
        pytest.param(SLOW | {"pooled": False}, 0, id="nor-where-its-beginning-is-another-state"),
    ],
)
def test_else_it_is_as_young_as_it_is(detector: dict[str, Any], alone: int) -> None:
    assert first_word(World(detector), alone=alone) == []


def test_what_people_called_wrong_costs_the_detector_its_share_from_the_next_day_on() -> None:
    world = World(SLOW, SLOW | {"kind": "robust", "with": {"span_s": 60}})
    wrong = first_word(world)
    for one in wrong:
        world.grace.take(change_of(Feedback(id="f", at_us=0, anomaly=one.id, verdict="wrong"), one))
    world.at_us += 86_400 * SECOND_US
    world.up(a=1)
    shares = world.grace.worth.state.in_force
    assert {one.worth for one in wrong} == {1.0}
    assert shares == {(one.detector, one.feature): 4 / 5 for one in wrong}
    (ewma, robust) = world.panel.groups[0].jury.calibration.worth
    assert sorted([ewma, robust]) == pytest.approx([8 / 9, 10 / 9])
