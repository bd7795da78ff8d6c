"""What a change excuses, for whom, and for how long."""

import pytest

from detectors.grace import LOST_US, MAX_OBJECTS, START_US, Grace
from streams.schemas.telemetry import Change

SECOND_US = 1_000_000
NOON_US = 1_767_268_800 * SECOND_US
REPLICA = {"cluster": "local", "pool": "codex", "replica": "codex-1"}
FELLOW = {**REPLICA, "replica": "codex-2"}
GPU = {"cluster": "local", "node": "n1", "gpu_uuid": "GPU-1"}
POOL = {"cluster": "local", "pool": "codex", "tenant": "acme"}


def change(kind: str, replica: str = "codex-1", at_s: float = 0) -> Change:
    return Change(
        id=f"{kind}@{at_s}",
        at_us=NOON_US + round(at_s * SECOND_US),
        kind=kind,  # type: ignore[arg-type]
        summary=kind,
        pool="codex",
        replica=replica,
    )


def on_node(node: str) -> Change:
    return change("node_maintenance", "").but(pool="", node=node)


def grace(*changes: Change) -> Grace:
    made = Grace(grace_us=10 * SECOND_US)
    for one in changes:
        made.take(one)
    return made


def at(seconds: float) -> int:
    return NOON_US + round(seconds * SECOND_US)


def is_known(made_at_s: float, passed_s: float, *, end_s: float) -> bool:
    """Whether a window that ends at ``end_s`` knows of a change that was read long before."""
    waiting = grace()
    waiting.wait(change("replica_stopped", at_s=made_at_s), at(passed_s))
    waiting.advance(at(end_s))
    return waiting.off(REPLICA, at(made_at_s), SECOND_US)


@pytest.mark.parametrize(
    ("made_at_s", "passed_s", "end_s", "known"),
    [
        pytest.param(5, 3, 5, False, id="not-by-windows-before-it"),
        pytest.param(5, 3, 6, True, id="by-the-window-it-lies-in"),
        pytest.param(5, 8, 8, False, id="told-late-not-by-those-that-had-closed"),
        pytest.param(5, 8, 9, True, id="but-by-the-next"),
    ],
)
def test_what_a_window_knows_does_not_depend_on_how_far_changes_were_read(
    made_at_s: float, passed_s: float, end_s: float, known: bool
) -> None:
    assert is_known(made_at_s, passed_s, end_s=end_s) is known


def test_changes_are_known_in_the_order_of_event_time() -> None:
    waiting = grace()
    waiting.wait(change("replica_started", at_s=7), at(0))
    waiting.wait(change("replica_stopped", at_s=5), at(0))
    waiting.advance(at(10))

    assert not waiting.off(REPLICA, at(7) + START_US, SECOND_US)


@pytest.mark.parametrize(
    ("given", "labels", "at_s", "excused"),
    [
        pytest.param(change("replica_ready"), REPLICA, 5, True, id="the-replica-itself"),
        pytest.param(change("replica_ready"), REPLICA, 10, False, id="not-for-ever"),
        pytest.param(change("replica_ready"), REPLICA, -2, False, id="not-before"),
        pytest.param(change("replica_ready"), FELLOW, 5, False, id="not-its-fellows"),
        pytest.param(change("scaled", ""), POOL, 5, True, id="a-pool-that-was-scaled"),
        pytest.param(change("scaled", ""), REPLICA, 5, False, id="but-not-its-replicas"),
        pytest.param(change("deployed", ""), REPLICA, 5, True, id="a-deploy-reaches-all-replicas"),
        pytest.param(change("set_aside"), REPLICA, 5, False, id="what-the-gateway-noticed-is-none"),
        pytest.param(change("other"), REPLICA, 5, False, id="nor-is-anything-else"),
        pytest.param(on_node("n1"), GPU, 5, True, id="the-gpus-of-a-node-that-is-repaired"),
        pytest.param(on_node("n1"), {**GPU, "pool": "codex"}, 5, True, id="whosever-they-are"),
        pytest.param(on_node("n2"), GPU, 5, False, id="not-those-of-another-node"),
        pytest.param(on_node(""), GPU, 5, False, id="nobody-if-it-names-nothing"),
        pytest.param(on_node("n1"), REPLICA, 5, False, id="nor-replicas-which-are-told-of-alone"),
    ],
)
def test_excused(given: Change, labels: dict[str, str], at_s: float, excused: bool) -> None:
    assert grace(given).excused(labels, at(at_s), SECOND_US) is excused


@pytest.mark.parametrize(
    ("given", "at_s", "off"),
    [
        pytest.param([change("replica_started")], 3, True, id="while-it-starts"),
        pytest.param(
            [change("replica_started")], START_US / SECOND_US, False, id="but-not-for-ever"
        ),
        pytest.param(
            [change("replica_started"), change("replica_ready", at_s=8)], 8, False, id="when-ready"
        ),
        pytest.param([change("replica_stopped")], 9_999, True, id="stopped-on-purpose"),
        pytest.param([change("replica_stopped")], -2, False, id="not-before-it-was-stopped"),
        pytest.param([change("replica_lost")], 3, False, id="lost-is-not-on-purpose"),
    ],
)
def test_off(given: list[Change], at_s: float, off: bool) -> None:
    assert grace(*given).off(REPLICA, at(at_s), SECOND_US) is off


def test_a_lost_replica_is_remembered_for_a_while() -> None:
    made = grace(change("replica_lost"))
    assert made.lost(at(1)) == [REPLICA]
    assert made.lost(at(-1)) == []
    assert made.lost(at(0) + LOST_US) == []


def test_memory_is_bounded() -> None:
    made = grace(*(change("replica_ready", f"codex-{n}") for n in range(MAX_OBJECTS + 2)))
    assert len(made.state.known) == MAX_OBJECTS
    assert not made.excused({**REPLICA, "replica": "codex-0"}, at(1), SECOND_US)
