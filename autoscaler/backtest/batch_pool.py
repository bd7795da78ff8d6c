"""A pool of replicas that batch continuously, as arrays: what changes while it lives."""

from typing import Final, NamedTuple

import numpy as np

from autoscaler.backtest.heap import SERVICE, Records
from autoscaler.backtest.policy import Floats, Ints, Shape
from autoscaler.backtest.replicas import NOW, REPLICA, SECOND, places, set_up
from autoscaler.backtest.slo import LatencySlo
from autoscaler.engine import Engine

UNSERVED: Final = np.inf
"""Stands where the first token of a request that never got one would."""
_COSTS: Final = ("prompt_token_s", "resident_token_s")
_LIMITS: Final = ("kv_tokens", "chunk_tokens")
_BOUNDS: Final = ("ttft_s", "ttft_token_s", "inter_token_s", "deadline_s")
_NOW: Final = np.dtype(
    [
        *NOW,
        *((name, float) for name in (*_COSTS, *_BOUNDS)),
        *((name, np.int64) for name in _LIMITS),
        ("stepping", np.int64),  # replicas with a step under way
    ]
)
_REPLICA: Final = np.dtype(
    [
        *REPLICA,
        ("stepping", np.int64),
        ("steps", np.int64),  # that it has done,
        ("prefilling", np.int64),  # and prompt tokens in the one under way
        ("answering", np.int64),  # requests that get a token with each step,
        ("resident", np.int64),  # and their tokens in the KV cache
        ("reserved", np.int64),  # tokens that all its requests will have there in the end
        ("unread", np.int64),  # prompt tokens that wait to be prefilled,
        ("first", np.int64),  # the place of the first of those prompts,
        ("prompts", np.int64),  # and how many they are
    ]
)
_PROMPT: Final = np.dtype([("request", np.int64), ("left", np.int64)])


class Pool(NamedTuple):
    """Everything that changes while a pool lives."""

    arrival_s: Floats
    read: Ints
    """Prompt tokens to be computed: those that no prefix cache holds."""
    prompt: Ints
    output: Ints
    taken_s: Floats
    """When each request came into a replica; NaN before,"""
    first_s: Floats
    """its first token (``UNSERVED``: never), and"""
    last_s: Floats
    """its last."""
    replicas: Records
    prompts: Records
    """A ring of prompts for each replica, in the order of their coming."""
    answers: Records
    """For each replica, the heap of the requests it answers, by the step that ends them."""
    steps: Records
    """The heap of the steps under way."""
    batch_s: Floats
    """What a step takes with 0, 1, … answers in it."""
    now: Records
    seconds: Records


class Requests(NamedTuple):
    arrival_s: Floats
    read: Ints
    prompt: Ints
    output: Ints


class Rules(NamedTuple):
    engine: Engine
    slo: LatencySlo
    shape: Shape


def opened(requests: Requests, rules: Rules, ready: int, seconds: int) -> Pool:
    """A pool with so many idle replicas, before the first of its seconds."""
    engine, slo, shape = rules
    room, slots = places(shape, ready), shape.slots
    pool = Pool(
        *requests,
        np.full(len(requests.arrival_s), np.nan),
        np.full(len(requests.arrival_s), np.nan),
        np.full(len(requests.arrival_s), np.nan),
        np.zeros(room, _REPLICA),
        np.zeros((room, slots), _PROMPT),
        np.zeros((room, slots + 1), SERVICE),
        np.zeros(room + 1, SERVICE),
        engine.batches_s(),
        np.zeros(1, _NOW),
        np.zeros(seconds, SECOND),
    )
    for rule in (*_COSTS, *_LIMITS):
        pool.now[rule] = getattr(engine, rule)
    for rule in _BOUNDS:
        pool.now[rule] = getattr(slo, rule)
    set_up(pool, shape, ready)
    return pool
