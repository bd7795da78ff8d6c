"""Steps that were seen in, the engine that explains them best out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from autoscaler.engine import UNBOUNDED, Engine
from autoscaler.profile.seen import Step
from streams.errors import InvalidParameterError

_LEAST_S = 1e-6


@dataclass(frozen=True, slots=True)
class Fit:
    engine: Engine
    error_ratio: float
    """Median distance of what was seen from what the engine would take."""
    worst_ratio: float


def fit(steps: Sequence[Step], *, slots: int, kv_tokens: int = UNBOUNDED) -> Fit:
    """Least squares of relative errors, over costs that are not negative.

    Steps with as many answers have one cost together, whatever batches of other sizes cost.

    >>> seen = [Step(took_s=0.02 + 0.001 * tokens, prompt=tokens) for tokens in (10, 400)]
    >>> loads = [(n, held) for n in (1, 4) for held in (9, 90)]
    >>> seen += [Step(took_s=0.03 + 0.01 * n, answers=n, resident=held) for n, held in loads]
    >>> round(fit(seen, slots=4).engine.takes_s(100, 4, 40), 3)
    0.17
    """
    batches = sorted({step.answers for step in steps} | {0})
    if not any(step.prompt for step in steps) or len(batches) < 2:
        raise InvalidParameterError("steps", len(steps), "some of prompts and some of answers")
    took_s = np.array([step.took_s for step in steps])
    rows = np.array([_row(step, batches) for step in steps])
    costs, _ = nnls(rows / took_s[:, None], np.ones(len(steps)))
    costs[: len(batches)] = np.maximum(costs[: len(batches)], _LEAST_S)
    off = np.abs(rows @ costs / took_s - 1)
    engine = Engine(
        batch_s=tuple(zip(batches, (round(float(cost), 6) for cost in costs), strict=False)),
        prompt_token_s=round(float(costs[-2]), 8),
        resident_token_s=round(float(costs[-1]), 10),
        slots=slots,
        kv_tokens=kv_tokens,
    )
    return Fit(engine, float(np.median(off)), float(off.max()))


def _row(step: Step, batches: Sequence[int]) -> list[float]:
    return [*(float(step.answers == n) for n in batches), float(step.prompt), step.resident]
