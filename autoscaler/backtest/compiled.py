"""Loops over millions of requests, compiled where Numba is installed (``tidegate[backtest]``)."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The same function with the same results, a hundred times faster with Numba."""
    try:
        from numba import njit  # noqa: PLC0415  an extra
    except ImportError:
        return function
    fast: Callable[P, R] = njit(cache=True)(function)
    return fast
