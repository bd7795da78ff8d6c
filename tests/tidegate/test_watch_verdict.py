"""What is said of what was found: right or wrong, where, since when, how much."""

from collections.abc import Sequence

import pytest

from autoscaler.api.view import View
from streams.clock import SECOND_US
from streams.schemas.incidents import Cause, Incident, Subject
from streams.schemas.telemetry import EngineSample
from tests.dashboards.synthetic import message, window_messages
from tidegate.watch.understood import Found, Watched
from tidegate.watch.verdict import EXIT, Known, judge

NOW_US = 1_767_268_800 * SECOND_US  # 12:00:00 UTC
SLOW = Cause(
    kind="replica_slow",
    subject=Subject(kind="replica", name="b"),
    weight=0.7,
    sentence="time between tokens of b is 0.12 s, 4.0 times the 0.03 s of its fellows",
)


def watched(replica: str, *, up: bool = True) -> Watched:
    found = Found(key=replica, address=replica, replica=replica, up=up)
    return Watched(found=found, pool="M", replica=replica)


def incident(resolved_at_us: int | None = None) -> Incident:
    began_us = NOW_US - 60 * SECOND_US
    return Incident(
        id="INC-1", state="resolved" if resolved_at_us else "open", severity="warning",
        cluster="local", pool="M", subject=SLOW.subject, title="b is slow", causes=(SLOW,),
        started_at_us=began_us, opened_at_us=began_us, updated_at_us=NOW_US,
        resolved_at_us=resolved_at_us,
    )  # fmt: skip


def seen(*incidents: Incident, samples: bool = True) -> View:
    view = View(shards=1)
    view.feed(message("incidents", one, one.id) for one in incidents)
    if samples:
        view.feed(window_messages("engine", _samples(), NOW_US))
    return view


def _samples() -> Sequence[EngineSample]:
    return [
        EngineSample(
            at_us=NOW_US - SECOND_US, pool="M", replica=replica, up=1.0, running=4.0, waiting=0.0,
            output_tokens=100, inter_token_s=0.03,
        )
        for replica in ("a", "b")
    ]  # fmt: skip


KNOWN = Known(watched=[watched("a"), watched("b")], fresh_us=NOW_US - 10 * SECOND_US)


def test_nothing_wrong_says_what_was_seen_to_be_right() -> None:
    verdict = judge(seen(), KNOWN)
    assert (verdict.state, verdict.sentence) == (
        "healthy",
        "nothing wrong: M: 2 replicas answer, 8 requests running, 0 requests waiting, "
        "200 tokens/s, 0.03 s between tokens",
    )


def test_an_open_incident_is_told_with_its_cause_and_its_beginning() -> None:
    verdict = judge(seen(incident()), KNOWN)
    assert verdict.state == "wrong"
    assert verdict.findings == (f"pool M: b is slow since 11:59:00 UTC – {SLOW.sentence}",)


def test_from_outside_nobody_knows_whether_the_silent_are_frozen_or_gone() -> None:
    silent = incident().but(title="b is frozen", causes=(SLOW.but(kind="replica_frozen"),))
    assert judge(seen(silent), KNOWN).sentence == "pool M: b does not answer since 11:59:00 UTC"


def test_what_is_over_is_only_mentioned() -> None:
    verdict = judge(seen(incident(resolved_at_us=NOW_US)), KNOWN)
    assert verdict.state == "healthy"
    assert verdict.sentence.endswith("Earlier: b is slow, over since 12:00 UTC")


@pytest.mark.parametrize(
    ("known", "said"),
    [
        pytest.param(
            Known(watched=[watched("a"), watched("c", up=False)]),
            "pool M: c does not answer",
            id="a-silent-fellow",
        ),
        pytest.param(
            Known(watched=[watched("a")], unseen=["http://d cannot be reached"]),
            "http://d cannot be reached",
            id="an-address-without-anything",
        ),
    ],
)
def test_what_does_not_answer_is_wrong(known: Known, said: str) -> None:
    assert judge(seen(), known).findings == (said,)


@pytest.mark.parametrize("samples", [False, True], ids=["never", "not-any-more"])
def test_without_fresh_samples_nothing_is_said_to_be_well(samples: bool) -> None:
    known = Known(watched=[watched("a")], fresh_us=NOW_US + SECOND_US)
    verdict = judge(seen(samples=samples), known)
    assert verdict.state == "unknown"
    assert EXIT[verdict.state] == 1
