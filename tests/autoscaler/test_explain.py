"""A decision's story: every part of it, from one usual situation."""

import pytest

from autoscaler.decide import decide
from autoscaler.explain import Explanation, explain
from autoscaler.guard_words import FACTS
from autoscaler.guards import GUARDS
from autoscaler.region import Limit, Region
from autoscaler.situation import Order, Situation
from streams.schemas.scaling import Forecast, Quantile
from tests.autoscaler.test_decide import HURT, IDLE, SURGE, situation
from tidegate.explain import told

FORECAST = Forecast(
    feature="demand",
    unit="slots",
    horizon_s=12.0,
    quantiles=(
        Quantile(q=0.1, value=3.0),
        Quantile(q=0.667, value=7.0),
        Quantile(q=0.8, value=8.0),
        Quantile(q=0.889, value=13.0),
        Quantile(q=0.991, value=14.0),
        Quantile(q=0.995, value=15.0),
        Quantile(q=0.998, value=16.0),
    ),
    model="blend",
    planned_q=0.8,
    kept_q=0.995,
)


def words(why: Explanation) -> dict[str, str]:
    return {one.guard: one.word for one in why.words}


def others(why: Explanation) -> dict[str, int]:
    return {one.setting: one.desired for one in why.others}


def test_every_guard_has_a_word_also_for_letting_pass() -> None:
    assert FACTS.keys() == set(GUARDS)


@pytest.mark.parametrize(
    ("given", "guard", "word"),
    [
        pytest.param(
            situation(),
            "untrusted_clients",
            "no client floods the pool; nothing is to be added",
            id="nobody",
        ),
        pytest.param(
            situation(**SURGE, suspects=("eve",), suspect_demand=0.1),
            "untrusted_clients",
            "0.1 slots of demand are of eve, who flood the pool",
            id="others-need-it-too",
        ),
        pytest.param(
            situation(**SURGE, failed_starts=1),
            "crash_loop",
            "1 replicas failed lately before they were ready, 2 stop growth",
            id="few-failures",
        ),
        pytest.param(
            situation(blocks=HURT),
            "incident_freeze",
            "INC-7 open; nothing is to be taken away",
            id="without-need",
        ),
        pytest.param(
            situation(**IDLE, blocks=HURT, highest_recent=1),
            "incident_freeze",
            "INC-7 is open, nothing is taken away",
            id="one-that-changed-it",
        ),
        pytest.param(
            situation(**IDLE, stalled=True),
            "stale_data",
            "the stream of windows stands still",
            id="stalled",
        ),
        pytest.param(
            situation(**IDLE, data_age_s=4.0),
            "stale_data",
            "the newest figures are 4 s old, 5 s may be",
            id="fresh",
        ),
        pytest.param(situation(), "bounds", "1 to 4 are allowed", id="bounds"),
        pytest.param(situation(ladder="floor"), "ladder", "the ladder stands at floor", id="floor"),
        pytest.param(situation(dry_run=True), "dry_run", "a dry run", id="dry-run"),
    ],
)
def test_a_guard_says(given: Situation, guard: str, word: str) -> None:
    assert words(explain(decide(given)))[guard] == word


def test_the_words_lead_from_the_proposal_to_the_decision() -> None:
    why = explain(decide(situation(**SURGE, high=3, ladder="shadow")))

    assert [(one.before, one.after) for one in why.words if one.before != one.after] == [
        (4, 3),
        (3, 2),
    ]
    assert why.same_again


def test_other_settings_are_tried_on_the_same_situation() -> None:
    found = others(explain(decide(situation(forecast=FORECAST, ladder="shadow"))))

    assert found["the planner alone (full, no dry run, no order)"] == 2
    assert found["half the budget of misses (p88.9)"] == 4
    assert found["twice the budget of misses (p66.7)"] == 2
    assert found["min_replicas 2"] == 2
    assert found["3 slots a replica"] == 3


def test_without_waiting_an_idle_pool_shrinks_at_once() -> None:
    why = explain(decide(situation(**IDLE, highest_recent=2)))

    assert (why.desired, others(why)["scale_down_after_s 0"]) == (2, 1)


def test_a_decision_of_another_version_is_told_as_it_was() -> None:
    why = explain(decide(situation()).but(inputs={}))

    assert (why.words, why.others, why.same_again) == ((), (), False)
    assert why.desired == 2


def test_the_terminal_tells_all_of_it() -> None:
    order = Order(kind="hold", replicas=2, actor="ann", reason="a launch")
    text = "\n".join(told(explain(decide(situation(forecast=FORECAST, **SURGE, order=order)))))

    assert "local/codex at 2027-01-15T08:00:00.000+00:00: 2 replicas" in text
    assert "p80" in text
    assert "→    2  person: ann holds (a launch)" in text
    assert "with 80.0% at most 8 slots in the next 12 s (2 replicas full, planned for)" in text
    assert "the same to the byte" in text


def test_limits_of_a_replica_are_told_as_far_as_they_are_known() -> None:
    region = Region(
        kv_tokens=Limit(value=4_000, identified=True), decode_tokens_per_s=Limit(value=80)
    )
    seen = explain(decide(situation(region=region))).situation

    assert "a replica carries at least 80 decode tokens/s" in seen
    assert "a replica carries 4,000 KV tokens" in seen
