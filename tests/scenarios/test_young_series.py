"""A replica that just started, judged by what its fellows have shown, and by nothing.

Levels differ from replica to replica, values are noisy (log-normal, and follow each other), one in
fifty is a burst. A newcomer is row 8. Seeds are of this file alone.
"""

from copy import deepcopy
from dataclasses import dataclass
from functools import cache

import numpy as np

from detectors.calibrate import alpha_for
from detectors.jury import Jury
from detectors.kin import inherit, known
from detectors.settings import DetectorSettings

FELLOWS = np.arange(8)
PAST_S, FIRST_S, ONSET_S = 400, 240, 15
ALPHA = alpha_for(1, 180)
SEEDS = range(7_000, 7_008)
WARMUP_S = 60.0


@dataclass(frozen=True)
class Seen:
    """By seed: windows of the first minutes above the boundary, and until a fault was above it."""

    false: np.ndarray
    delay_s: np.ndarray


def values(rng: np.random.Generator) -> np.ndarray:
    """By second and replica."""
    noise = rng.normal(0, 0.15, (PAST_S + FIRST_S, 9))
    for second in range(1, len(noise)):
        noise[second] += 0.6 * noise[second - 1]
    bursts = 1 + 2 * rng.random(noise.shape) * (rng.random(noise.shape) < 0.02)
    levels = 0.05 * np.exp(rng.normal(0, 0.1, 9))
    return np.asarray(levels * np.exp(noise) * bursts)


def jury(warmup_s: float) -> Jury:
    options = {"half_life_s": 300, "sigmas": 4, "warmup_s": warmup_s}
    settings = {"kind": "ewma", "series": "engine", "values": ["ttft_s_mean"], "with": options}
    return Jury([DetectorSettings.model_validate(settings)], step_s=1)


def step(judges: Jury, rows: np.ndarray, column: np.ndarray) -> float:
    given = column[rows][:, None]
    judged = judges.step(rows, given, np.isfinite(given), ALPHA, lambda *_: 1.0)
    return float(judged.score[-1])


def scores(past: Jury, first: np.ndarray, warmup_s: float, *, pooled: bool) -> np.ndarray:
    """Of the young replica, from its start on."""
    judges = jury(warmup_s)
    judges.state = deepcopy(past.state)
    judges.admit(8, {"pool": "codex"})
    if pooled:
        inherit(judges, [8], known(judges, FELLOWS))
    return np.array([step(judges, np.append(FELLOWS, 8), column) for column in first])


@cache
def seen(warmup_s: float = WARMUP_S, *, pooled: bool = False) -> Seen:
    """The fault: four times the usual, from 15 s after the start on."""
    false, delays = [], []
    for seed in SEEDS:
        all_of_it = values(np.random.default_rng(seed))
        past, first = jury(WARMUP_S), all_of_it[PAST_S:]
        for row in FELLOWS:
            past.admit(int(row), {"pool": "codex"})
        for column in all_of_it[:PAST_S]:
            step(past, FELLOWS, column)
        false.append((scores(past, first, warmup_s, pooled=pooled) >= 1).sum())
        first[ONSET_S:, 8] *= 4
        above = scores(past, first, warmup_s, pooled=pooled)[ONSET_S:] >= 1
        delays.append(above.argmax() if above.any() else FIRST_S)
    return Seen(np.array(false), np.array(delays))


def test_a_fault_of_a_young_series_is_told_at_once() -> None:
    assert np.median(seen().delay_s) > WARMUP_S
    assert np.median(seen(pooled=True).delay_s) < 5


def test_a_young_series_says_no_more_that_is_wrong_though_it_is_judged_a_minute_sooner() -> None:
    assert seen(pooled=True).false.sum() <= seen().false.sum()


def test_without_kin_to_be_judged_as_soon_is_to_be_wrong() -> None:
    as_soon = seen(warmup_s=2)
    assert as_soon.false.sum() > 2 * seen(pooled=True).false.sum()
