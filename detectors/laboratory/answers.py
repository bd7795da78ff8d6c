"""What replicas say: how long the answers to requests become, and what one would find in them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.laboratory.cluster import Cluster
from detectors.laboratory.flights import Of
from detectors.laboratory.groups import sums
from streams.windows.table import Floats, Ints

STRETCH_TOKENS: Final = 250.0
"""About 1 KiB of text."""
LEAST_TOKENS: Final = 32.0
LONGEST: Final = 1_500.0
"""Tokens an engine gives at most to whoever names no limit."""
EMPTY_RATIO: Final = 0.004
"""Answers of a healthy model that show nothing,"""
REPEATED_RATIO: Final = 0.01
"""and those that repeat themselves: rows of zeros, long tables."""
EMPTY, REPEATED = 1.0, 2.0
"""``Of.FLAW`` of an answer; 0 for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How replicas speak in this second; one entry each (``Drivers`` has what they mean)."""

    empty_ratio: Floats
    loop_ratio: Floats
    scale: Floats
    cap: Floats


def begun(flights: Floats, replica: Ints, speech: Speech) -> Floats:
    """Requests as their replicas will answer them."""
    flights = flights.copy()
    # Numbers of its own for each request, the same in every run.
    chance, usual = flights[:, Of.ARRIVED] * 104_729.0 % 1.0, flights[:, Of.ARRIVED] * 611.0 % 1.0
    empty = chance < speech.empty_ratio[replica]
    loops = ~empty & (chance < (speech.empty_ratio + speech.loop_ratio)[replica])
    limit = np.minimum(flights[:, Of.LIMIT], speech.cap[replica])
    output = np.maximum(flights[:, Of.OUTPUT] * speech.scale[replica], 1.0)
    output = np.where(loops, LONGEST, np.where(empty, 1.0, output))
    flights[:, Of.OUTPUT], flights[:, Of.LIMIT] = np.minimum(output, limit), limit
    harmless = np.where(usual < EMPTY_RATIO + REPEATED_RATIO, REPEATED, 0.0)
    harmless[usual < EMPTY_RATIO] = EMPTY
    flights[:, Of.FLAW] = np.where(empty, EMPTY, np.where(loops, REPEATED, harmless))
    return flights


def found_while_written(flights: Floats, before: Floats, replica: Ints, size: int) -> Floats:
    """[stretches, repeated] by replica: those that were filled, or left at the end of an answer.

    before: tokens that each had when the second began.
    """
    done = flights[:, Of.DONE]
    filled = np.floor(done / STRETCH_TOKENS) - np.floor(before / STRETCH_TOKENS)
    over = (done >= flights[:, Of.OUTPUT] - 1e-9) & (done % STRETCH_TOKENS >= LEAST_TOKENS)
    filled += over & (done > before)
    repeated = filled * (flights[:, Of.FLAW] == REPEATED)
    return np.stack([sums(replica, filled, size), sums(replica, repeated, size)])


def found_at_the_end(ended: Floats, cluster: Cluster) -> dict[str, Floats]:
    """Features of engines, of the answers that ended in a second; of pools that answer in text."""
    replica = ended[:, Of.REPLICA].astype(np.int64)
    text = cluster.per_replica("text")
    counts = {
        "ends": np.ones(replica.size),
        "truncated": (ended[:, Of.OUTPUT] >= ended[:, Of.LIMIT]).astype(np.float64),
        "answer_tokens": ended[:, Of.DONE],
        "empty": (ended[:, Of.FLAW] == EMPTY).astype(np.float64),
    }
    found = {name: text * sums(replica, each, cluster.size) for name, each in counts.items()}
    return found | {"answers": found["ends"], "texts": found["ends"]}
