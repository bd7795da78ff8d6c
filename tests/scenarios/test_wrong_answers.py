"""Counts of answers through the real pure chain: who answers wrongly is named, and how soon."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample
from tests.scenarios.chain import Chain
from tests.scenarios.pool_simulation import START_US, Second

REPLICAS = ("codex-1", "codex-2", "codex-3")
ONSET_S, SECONDS = 60, 130
GOAL_S = 60
PER_S = 0.7
"""Answers a second of each replica, as in the fault laboratory."""

Counts = dict[str, int]
Spoil = Callable[[Counts], Counts]


def run(spoil: Spoil, *bad: str) -> Chain:
    rng, chain = np.random.default_rng(5), Chain()
    for at_s in range(SECONDS):
        begin_us = START_US + at_s * SECOND_US
        second = Second()
        for name in REPLICAS:
            counts = usual(rng)
            counts = spoil(counts) if at_s >= ONSET_S and name in bad else counts
            second.engine.append(sample(name, begin_us, counts))
        chain.step(second, begin_us + SECOND_US)
    return chain


def sample(name: str, begin_us: int, counts: Any) -> EngineSample:
    return EngineSample(
        at_us=begin_us + SECOND_US // 2,
        pool="codex",
        replica=name,
        source="gateway",
        in_flight=4.0,
        finished=counts["answers"],
        **counts,
    )


def usual(rng: np.random.Generator) -> Counts:
    answers = int(rng.poisson(PER_S))
    stretches = int(rng.poisson(PER_S))
    return {
        "answers": answers,
        "answer_tokens": int(rng.exponential(200, answers).sum()),
        "ends": answers,
        "truncated": int(rng.binomial(answers, 0.1)),
        "texts": answers,
        "empty": int(rng.binomial(answers, 0.005)),
        "stretches": stretches,
        "repeated": int(rng.binomial(stretches, 0.01)),
    }


def empty(counts: Counts) -> Counts:
    return counts | {"empty": counts["texts"], "answer_tokens": 0, "stretches": 0, "repeated": 0}


def loops(counts: Counts) -> Counts:
    return counts | {"repeated": counts["stretches"]}


def cut(counts: Counts) -> Counts:
    tokens = min(counts["answer_tokens"], 16 * counts["answers"])
    return counts | {"truncated": counts["ends"], "answer_tokens": tokens}


def computes_nan(counts: Counts) -> Counts:
    return counts | {"corrupted": 1}


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        pytest.param(empty, "replica_wrong", id="empty"),
        pytest.param(loops, "replica_wrong", id="loops"),
        pytest.param(computes_nan, "replica_wrong", id="nan"),
        pytest.param(cut, "replica_differs", id="cut"),
    ],
)
def test_a_replica_that_answers_wrongly_is_named_within_the_goal(spoil: Spoil, kind: str) -> None:
    chain = run(spoil, "codex-2")

    [incident] = chain.incidents.values()
    assert (incident.causes[0].kind, incident.subject.name) == (kind, "codex-2")
    seen_us = chain.seen_us[incident.id, "codex-2"]
    assert ONSET_S * SECOND_US < seen_us - START_US <= (ONSET_S + GOAL_S) * SECOND_US


@pytest.mark.parametrize("spoil", [cut, lambda counts: counts], ids=["all-are-cut", "all-is-well"])
def test_what_clients_ask_of_all_opens_nothing(spoil: Spoil) -> None:
    assert run(spoil, *REPLICAS).incidents == {}


def test_a_model_that_says_nothing_is_one_incident_of_its_pool() -> None:
    chain = run(empty, *REPLICAS)

    [incident] = chain.incidents.values()
    assert (incident.subject.kind, incident.subject.name) == ("pool", "codex")
