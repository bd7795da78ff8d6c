"""Replicas on spot GPUs in, how many more it takes so that enough remain out."""

import math
from typing import Final

HOUR_S: Final = 3_600.0
MOST: Final = 1_000


def spares(replicas: int, *, loss_per_hour: float, horizon_s: float, risk: float) -> int:
    """The fewest more, so that fewer than ``replicas`` remain with a chance of at most ``risk``.

    Each is lost by itself with ``1 - (1 - loss_per_hour) ** hours`` until one ordered in its place
    is ready: the number lost is binomial.

    >>> spares(10, loss_per_hour=0.05, horizon_s=120, risk=0.01)
    1
    >>> spares(100, loss_per_hour=0.5, horizon_s=300, risk=0.01)
    13
    """
    lost = 1 - (1 - loss_per_hour) ** (horizon_s / HOUR_S)
    if replicas <= 0 or lost <= 0:
        return 0
    for more in range(MOST):
        if _tail(replicas + more, more, lost) <= risk:
            return more
    return MOST


def _tail(n: int, most: int, p: float) -> float:
    """The chance that more than ``most`` of ``n`` are lost, each with chance p."""
    below = sum(
        math.exp(
            math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            + k * math.log(p) + (n - k) * math.log1p(-p)
        )
        for k in range(most + 1)
    )  # fmt: skip
    return 1 - below
