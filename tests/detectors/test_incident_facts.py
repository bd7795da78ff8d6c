from typing import Any

import numpy as np
import pytest

from detectors.incidents.facts import MAX_TENANTS, Pace, PoolFacts, learn, paced
from streams.clock import SECOND_US
from streams.series import series_id
from streams.windows.table import Table

START_US = 1_767_225_600 * SECOND_US
CODEX = ("local", "codex")


def table(kind: str, second: int, *rows: dict[str, Any]) -> Table:
    """Each row: labels as strings, columns as numbers."""
    texts = [{name: v for name, v in row.items() if isinstance(v, str)} for row in rows]
    labels = [{"cluster": "local", "pool": "codex", **text} for text in texts]
    columns = sorted({name for row in rows for name, v in row.items() if not isinstance(v, str)})
    series = [series_id(kind, label) for label in labels]
    return Table(
        kind=kind,
        window_us=np.full(len(rows), START_US + second * SECOND_US),
        series=np.array(series, dtype=np.int64),
        ints={n: np.array([row.get(n, 0) for row in rows], dtype=np.int64) for n in columns},
        labels=dict(zip(series, labels, strict=True)),
    )


def after(*tables: Table) -> PoolFacts:
    facts: dict[tuple[str, str], PoolFacts] = {}
    for each in tables:
        facts |= learn(facts, [each])
    return facts[CODEX]


def test_a_pace_knows_now_and_the_past() -> None:
    pace = Pace()
    for second in range(120):
        pace = paced(pace, 1.0 if second < 110 else 4.0, START_US + second * SECOND_US)
    assert pace.now == pytest.approx(3.5, abs=0.1)
    assert pace.past == pytest.approx(1.3, abs=0.1)


def test_the_first_values_of_a_pace_count_fully() -> None:
    assert paced(Pace(), 7.0, START_US).past == 7.0


def test_a_gap_makes_the_old_count_less() -> None:
    pace = paced(paced(Pace(), 1.0, START_US), 1.0, START_US + SECOND_US)
    soon, late = (paced(pace, 9.0, START_US + s * SECOND_US) for s in (2, 60))
    assert late.now > soon.now


def test_a_client_that_sends_nothing_slows_down() -> None:
    seconds = [
        table("request", s, {"tenant": "aspen", "arrived": 5}, {"tenant": "birch", "arrived": 1})
        for s in range(10)
    ]
    quiet = [table("request", s, {"tenant": "birch", "arrived": 1}) for s in range(10, 30)]
    facts = after(*seconds, *quiet)
    assert facts.tenants["aspen"].arrived.now < 0.3
    assert facts.tenants["birch"].arrived.now == pytest.approx(1.0)


def test_a_window_that_comes_twice_counts_once() -> None:
    one = table("request", 1, {"tenant": "aspen", "arrived": 5})
    assert after(one, one) == after(one)


def test_and_so_does_one_of_engines() -> None:
    one = table("engine", 1, {"replica": "codex-1", "ttft_s.sum": 5_000_000, "ttft_s.n": 1})
    assert after(one, one) == after(one)


def test_a_second_that_was_cut_into_blocks_is_one_second() -> None:
    parts = [table("request", 1, {"tenant": name, "arrived": 5}) for name in ("aspen", "birch")]
    whole = table("request", 1, *({"tenant": n, "arrived": 5} for n in ("aspen", "birch")))
    assert learn({}, parts) == learn({}, [whole])


def test_routes_and_models_of_a_client_are_added_up() -> None:
    rows = [{"tenant": "aspen", "route": route, "arrived": 2} for route in ("chat", "embed")]
    assert after(table("request", 1, *rows)).tenants["aspen"].arrived.now == 4.0


def test_demand_leaves_out_what_a_flooding_client_sends() -> None:
    rows = ({"tenant": "aspen", "arrived": 3}, {"tenant": "birch", "arrived": 9, "rejected": 8})
    facts = after(table("request", 1, *rows))
    assert (facts.valid_now, facts.refused_now) == (4.0, 8.0)


def test_waiting_times_are_means_over_requests_and_left_alone_without_any() -> None:
    waits = table("request", 1, {"tenant": "aspen", "queue_s.sum": 6_000_000, "queue_s.n": 2})
    none = table("request", 2, {"tenant": "aspen", "arrived": 1})
    assert after(waits, none).queue_s.now == 3.0


def test_a_replica_is_compared_with_the_median_of_its_fellows() -> None:
    rows = [
        {"replica": f"codex-{n}", "inter_token_s.sum": s, "inter_token_s.n": 1}
        for n, s in enumerate((80_000, 90_000, 100_000, 900_000))
    ]
    facts = after(table("engine", 1, *rows))
    assert facts.fellows_of("codex-3", "inter_token_s") == pytest.approx(0.09)
    assert after(table("engine", 1, rows[0])).fellows_of("codex-0", "inter_token_s") is None


@pytest.mark.parametrize(
    ("row", "later_s", "full"),
    [
        pytest.param({"kv_use_ratio.sum": 950_000, "kv_use_ratio.n": 1}, 0, True, id="full"),
        pytest.param({"kv_use_ratio.sum": 700_000, "kv_use_ratio.n": 1}, 0, False, id="not-full"),
        pytest.param({"preemptions": 1}, 8, True, id="just-threw-one-back"),
        pytest.param({"preemptions": 1}, 40, False, id="threw-one-back-long-ago"),
    ],
)
def test_a_replica_without_room_is_known(row: dict[str, int], later_s: int, *, full: bool) -> None:
    seconds = [table("engine", s, {"replica": "codex-1"}) for s in range(60)]
    rest = [table("engine", 61 + s, {"replica": "codex-1"}) for s in range(later_s)]
    facts = after(*seconds, table("engine", 60, {"replica": "codex-1", **row}), *rest)

    assert facts.is_full("codex-1") is full
    assert facts.is_full("codex-2") is False


def test_a_replica_that_is_gone_is_no_fellow() -> None:
    gone = {"replica": "codex-1", "ttft_s.sum": 5_000_000, "ttft_s.n": 1}
    here = {"replica": "codex-2", "ttft_s.sum": 1_000_000, "ttft_s.n": 1}
    facts = after(table("engine", 1, gone, here), table("engine", 40, here))
    assert list(facts.replicas) == ["codex-2"]


def test_the_busiest_clients_are_remembered() -> None:
    rows = [{"tenant": f"t{n:03}", "arrived": n} for n in range(MAX_TENANTS + 30)]
    names = set(after(table("request", 1, *rows)).tenants)
    assert len(names) == MAX_TENANTS
    assert "t000" not in names


def test_gpus_teach_nothing_about_traffic() -> None:
    assert learn({}, [table("gpu", 1, {"node": "n1", "util_ratio.n": 1})]) == {}


def test_other_pools_are_left_alone() -> None:
    facts = {("local", "sora"): PoolFacts()}
    assert set(learn(facts, [table("request", 1, {"tenant": "aspen", "arrived": 1})])) == {CODEX}
