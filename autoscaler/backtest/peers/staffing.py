"""Square-root staffing: a forecast of the load, and the servers that Erlang's formula asks for."""

import math
from collections import deque
from typing import Final

import numpy as np

from autoscaler.backtest.erlang import servers
from autoscaler.backtest.peers.behaviour import STABILISATION_S
from autoscaler.backtest.policy import Seen, Shape
from autoscaler.plan import whole

MINUTE_S: Final = 60
DAY: Final = 1_440
SERVICE_S: Final = 1_800
ERRORS: Final = 3 * DAY
RECENT_S: Final = 15
FULL: Final = 0.95
"""Share of the slots at which what is there now asks for more by itself."""
LATE_RATIO: Final = 0.01


class Staffing:
    """Offered load, times yesterday's growth over the lead time, times a quantile of past errors.

    The replicas are those at which 1 % would wait longer than the SLO in M/M/c, never fewer than
    what is there now needs, and down only to the highest of the last 300 s.
    Source: Halfin and Whitt 1981; Gans, Koole and Mandelbaum 2003 (Erlang C); the forecast is
    seasonal-naive with an empirical quantile.
    """

    def __init__(self, shape: Shape, quantile: float) -> None:
        self._shape = shape
        self._quantile = quantile
        lead_s = shape.cold_start_s + shape.age_s + shape.tick_s
        self._ahead = math.ceil(lead_s / MINUTE_S) + 1
        self._loads: list[float] = []
        self._forecasts: deque[tuple[int, float]] = deque()
        self._errors: deque[float] = deque(maxlen=ERRORS)
        self._margin = 0.3
        self._planned = 1
        self._wanted: deque[tuple[int, int]] = deque()
        self._slots_for: dict[tuple[int, int], int] = {}

    def decide(self, seen: Seen) -> int:
        service_s = 0.0
        while (len(self._loads) + 1) * MINUTE_S <= seen.until_s:
            service_s = self._close_minute(seen)
        if service_s and len(self._loads) >= 5:
            self._plan(service_s)
        held = seen.mean(seen.seconds.in_flight, RECENT_S)
        held += seen.mean(seen.seconds.queued, RECENT_S)
        wanted = max(self._planned, whole(held / (FULL * self._shape.slots)))
        self._wanted.append((seen.now_s, wanted))
        while self._wanted[0][0] <= seen.now_s - STABILISATION_S:
            self._wanted.popleft()
        return max(1, *(replicas for _, replicas in self._wanted))

    def _close_minute(self, seen: Seen) -> float:
        """Note the load of the next whole minute; gives back what a request takes."""
        seconds, since = seen.seconds, len(self._loads) * MINUTE_S
        until = since + MINUTE_S
        recent = slice(max(0, until - SERVICE_S), until)
        started = max(1, int(seconds.started[recent].sum()))
        service_s = max(1e-3, float(seconds.in_flight[recent].sum()) / started)
        self._loads.append(float(seconds.arrived[since:until].sum()) / MINUTE_S * service_s)
        while self._forecasts and self._forecasts[0][0] + self._ahead <= len(self._loads):
            at, forecast = self._forecasts.popleft()
            highest = max(self._loads[at : at + self._ahead])
            self._errors.append(math.log(max(1e-6, highest) / max(1e-6, forecast)))
        return service_s

    def _plan(self, service_s: float) -> None:
        loads, now = self._loads, len(self._loads)
        forecast = max(sum(loads[-2:]) / 2, sum(loads[-5:]) / 5) * self._growth()
        self._forecasts.append((now, forecast))
        if len(self._errors) >= 30 and now % 15 == 0:
            self._margin = float(np.quantile(np.array(self._errors), self._quantile))
        self._planned = whole(
            self._slots(forecast * math.exp(self._margin), service_s) / self._shape.slots
        )

    def _growth(self) -> float:
        """Of yesterday, over the minutes to come against those before."""
        then = len(self._loads) - DAY
        if then < 10:
            return 1.0
        after = self._loads[then : then + self._ahead + 5]
        before = sum(self._loads[then - 10 : then]) / 10
        return min(1.6, max(0.8, sum(after) / len(after) / max(1e-6, before)))

    def _slots(self, load: float, service_s: float) -> int:
        """Looked up by load within 2 % and service time within 10 %, as the formula is slow."""
        key = round(math.log(max(load, 1e-3)) * 50), round(math.log(service_s) * 10)
        if key not in self._slots_for:
            self._slots_for[key] = servers(
                math.exp(key[0] / 50), math.exp(key[1] / 10), self._shape.slo_queue_s, LATE_RATIO
            )
        return self._slots_for[key]
