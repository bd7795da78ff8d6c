"""Requests in service, the one that ends first on top: a binary heap in an array of records."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoscaler.backtest.compiled import compiled

Records = npt.NDArray[Any]

SERVICE: Final = np.dtype([("end_s", float), ("place", np.int64), ("took_s", float)])


@compiled
def push(heap: Records, size: int, end_s: float, place: int, took_s: float) -> None:
    """Add a request that ends at ``end_s`` to the ``size`` that are there."""
    i = size
    while i > 0 and heap[(i - 1) >> 1]["end_s"] > end_s:
        heap[i] = heap[(i - 1) >> 1]
        i = (i - 1) >> 1
    heap[i]["end_s"], heap[i]["place"], heap[i]["took_s"] = end_s, place, took_s


@compiled
def pop(heap: Records, size: int) -> None:
    """Take the first of ``size`` requests out."""
    last = heap[size - 1]
    i, child = 0, 1
    while child < size - 1:
        if child + 1 < size - 1 and heap[child + 1]["end_s"] < heap[child]["end_s"]:
            child += 1
        if last["end_s"] <= heap[child]["end_s"]:
            break
        heap[i] = heap[child]
        i, child = child, 2 * child + 1
    heap[i] = last
