"""NVIDIA Dynamo's throughput planner with its Kalman predictor."""

from typing import Final

import numpy as np

from autoscaler.backtest.policy import Floats, Seen, Shape
from autoscaler.plan import whole

INTERVAL_S: Final = 180
SERVICE_S: Final = 1_800
"""Over which the time a request takes is measured."""
_STEP: Final = np.array([[1.0, 1.0], [0.0, 1.0]])
_DRIFT: Final = np.diag([1.0, 0.1])
_NOISE: Final = 10.0


class Dynamo:
    """``replicas = ceil(predicted requests/s / throughput of an engine)``, every 180 s.

    The prediction is a Kalman filter with level and trend on the requests of an interval. The
    profiled throughput within the SLA is stood in for by ``target · slots / service time``.
    Source: ai-dynamo 1.6.1, dynamo/planner/core/load/predictors.py, config/defaults.py.
    """

    def __init__(self, shape: Shape, target_ratio: float) -> None:
        self._busy = target_ratio * shape.slots
        self._planned_s = 0
        self._replicas: int | None = None
        self._state: Floats | None = None
        self._spread = np.eye(2) * 1_000

    def decide(self, seen: Seen) -> int:
        until_s = seen.until_s
        if until_s - self._planned_s < INTERVAL_S:
            return self._replicas or seen.ordered
        self._planned_s = until_s
        seconds, since = seen.seconds, max(0, until_s - SERVICE_S)
        requests = self._predict(float(seconds.arrived[until_s - INTERVAL_S : until_s].sum()))
        started = max(1, int(seconds.started[since:until_s].sum()))
        service_s = max(1e-3, float(seconds.in_flight[since:until_s].sum()) / started)
        self._replicas = max(1, whole(requests / INTERVAL_S * service_s / self._busy))
        return self._replicas

    def _predict(self, requests: float) -> float:
        before = np.array([requests, 0.0]) if self._state is None else self._state
        state = _STEP @ before
        spread = _STEP @ self._spread @ _STEP.T + _DRIFT
        gain = spread[:, 0] / (spread[0, 0] + _NOISE)
        self._state = state + gain * (requests - state[0])
        self._spread = spread - np.outer(gain, spread[0])
        return max(0.0, float(self._state.sum()))  # level and trend: the next interval
