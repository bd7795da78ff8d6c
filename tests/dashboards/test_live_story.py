from typing import Any

from dashboards.live.story import Chapter, newest_turn, tell
from streams.schemas.incidents import Incident, Subject
from streams.schemas.scaling import Decision
from streams.schemas.telemetry import Change

S = 1_000_000


def decision(at_s: int, current: int, desired: int, **but: Any) -> Decision:
    usual = {"cluster": "local", "pool": "codex", "ladder": "full", "reason": "forecast 9 slots"}
    return Decision(
        id=f"codex@{at_s}", at_us=at_s * S, current=current, desired=desired, proposed=desired,
        **(usual | but),
    )  # fmt: skip


def change(at_s: int, kind: Any, summary: str, pool: str = "codex") -> Change:
    return Change(id=f"{summary}@{at_s}", at_us=at_s * S, kind=kind, summary=summary, pool=pool)


def incident(started_s: int, resolved_s: int | None = None) -> Incident:
    return Incident(
        id="INC-1", state="resolved" if resolved_s else "open", severity="critical",
        cluster="local", pool="codex", subject=Subject(kind="replica", name="codex-2"),
        title="codex-2 is frozen", started_at_us=started_s * S, opened_at_us=started_s * S,
        updated_at_us=started_s * S, resolved_at_us=resolved_s and resolved_s * S, causes=(),
        timeline=((started_s * S, "does not answer since 5 s"),),
    )  # fmt: skip


def told(chapters: list[Chapter]) -> list[tuple[str, list[str]]]:
    return [(one.title, [step.sentence for step in one.steps]) for one in chapters]


def test_what_happens_during_an_incident_is_part_of_it() -> None:
    changes = [
        change(12, "set_aside", "traffic moved"),
        change(14, "replica_started", "codex-4 ordered"),
        change(13, "configured", "sora was configured", pool="sora"),
    ]
    assert told(tell([incident(10)], changes, [])) == [
        ("sora was configured", []),
        ("codex-2 is frozen", ["does not answer since 5 s", "traffic moved", "codex-4 ordered"]),
    ]


def test_what_an_incident_tells_itself_is_not_told_again() -> None:
    moved = change(12, "set_aside", "gateway set codex-2 aside")
    known = incident(10).but(changes=(moved.id,))
    assert told(tell([known], [moved], [])) == [
        ("codex-2 is frozen", ["does not answer since 5 s"])
    ]


def test_an_incident_that_is_over_says_how_long_it_lasted() -> None:
    (chapter,) = tell([incident(10, resolved_s=100)], [], [])
    assert (chapter.tone, chapter.steps[-1].sentence) == ("good", "Over after 1 min.")


def test_a_scaling_and_what_follows_are_one_chapter() -> None:
    decisions = [decision(20, 2, 3), decision(22, 2, 3), decision(30, 3, 3)]
    changes = [change(21, "replica_started", "codex-3 ordered"), change(200, "other", "later")]
    assert told(tell([], changes, decisions)) == [
        ("later", []),
        ("codex goes from 2 to 3 replicas", ["forecast 9 slots", "codex-3 ordered"]),
    ]


def test_a_wish_that_is_not_carried_out_is_told_as_one() -> None:
    (chapter,) = tell([], [], [decision(20, 2, 3, ladder="shadow")])
    assert chapter.title == "codex would go from 2 to 3 replicas"


def test_a_repeated_wish_is_told_once_but_a_new_one_again() -> None:
    decisions = [decision(20, 2, 3), decision(24, 2, 3), decision(30, 3, 3), decision(99, 2, 3)]
    assert [one.at_us // S for one in tell([], [], decisions)] == [99, 20]


def test_a_scaling_is_not_told_a_second_time() -> None:
    echo = change(21, "scaled", "codex: 2 to 3 replicas")
    by_hand = change(90, "scaled", "codex: 3 to 5 replicas by hand")
    titles = [one.title for one in tell([], [echo, by_hand], [decision(20, 2, 3)])]
    assert titles == ["codex: 3 to 5 replicas by hand", "codex goes from 2 to 3 replicas"]


def test_the_story_is_bounded() -> None:
    changes = [change(n * 100, "other", f"change {n}") for n in range(100)]
    assert len(tell([], changes, [])) == 40
    during = [change(11 + n, "other", f"change {n}") for n in range(100)]
    assert len(tell([incident(10)], during, [])[0].steps) == 12


def test_the_newest_turn_of_a_pool() -> None:
    decisions = [decision(20, 2, 3), decision(60, 3, 2), decision(70, 2, 3, pool="sora")]
    newest = newest_turn(decisions, "codex")
    assert newest
    assert newest.desired == 2
    assert newest_turn(decisions, "codex", since_us=61 * S) is None
