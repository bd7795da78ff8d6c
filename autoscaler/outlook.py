"""Seconds of one pool in, its forecast at the quantile that spends the budget out."""

from typing import Final

from autoscaler.budget import KEPT_TIMES, Budget, of_other_budget
from autoscaler.capacity import Served, ServiceTime
from autoscaler.demand import PoolSecond
from autoscaler.forecasters import FORECASTERS
from autoscaler.forecasters.blend import Blend
from autoscaler.need import Need
from autoscaler.schedules.usual import Usual
from autoscaler.trailing import Trailing
from streams.clock import SECOND_US
from streams.schemas.scaling import Forecast, Quantile

LONGEST_SERVICE_S: Final = 180
UNLIKELY: Final = 0.1
"""Demand is higher nine times of ten: what is shown as the low end."""
FINEST: Final = 0.001


class Outlook:
    """What a pool will be asked for, learned from each second: the same live and in a backtest."""

    def __init__(
        self, *, slo_queue_s: float, miss_budget_ratio: float, sleeps: bool = False
    ) -> None:
        self._slo_queue_s = slo_queue_s
        self.budget = Budget(miss_budget_ratio)
        self._need = Need()
        self._blend = Blend({name: make() for name, make in FORECASTERS.items()})
        self._far = Blend({name: make() for name, make in FORECASTERS.items()}) if sleeps else None
        self._occupancy = Trailing(LONGEST_SERVICE_S)
        self._told_work = False
        self.service = ServiceTime()
        self.usual = Usual()

    def see(
        self, second: PoolSecond, slots: int, *, trusted: bool, scheduled: bool = False
    ) -> None:
        """A new second. While figures are not trusted, only demand is taken from them.

        scheduled: somebody said that demand would be other than usual now.
        """
        if second.gauged and second.ready:
            self._occupancy.see(second.in_flight / second.ready)
        if trusted:
            self._learn(second, slots)
            self.budget.see(second.arrived, second.late + second.shed)
        need = self._need.see(
            second,
            service_s=self.service_s(slots),
            full=self.stretch(second, slots),
            slo_queue_s=self._slo_queue_s,
        )
        self.usual.see(second.window_us, need, scheduled=scheduled)
        for blend in filter(None, (self._blend, self._far)):
            blend.observe(second.window_us + SECOND_US, need)

    def far(self, horizon_s: float, at_least: float = 0.0) -> float:
        """The planned quantile of the highest demand until a horizon beyond that of ``forecast``.

        0 for a pool of which nobody sleeps: it has no second horizon.
        """
        if self._far is None:
            return 0.0
        aim = min(1 - FINEST, round(self.budget.quantile(horizon_s), 3))
        return self._far.forecast(horizon_s, (aim,), at_least)[0]

    def forecast(self, horizon_s: float, at_least: float = 0.0) -> Forecast:
        """The highest demand until ``horizon_s``.

        at_least: slots of demand that somebody expects, a floor below what data say.

        Beside the quantile to plan for, and that up to which replicas are kept, are those of twice
        and of half the budget.
        """
        planned = self.budget.quantile(horizon_s)
        near, kept, *beside = (
            min(1 - FINEST, round(of_other_budget(planned, times), 3))
            for times in (1, KEPT_TIMES, 2, 2 * KEPT_TIMES, 0.5, 0.5 * KEPT_TIMES)
        )
        asked = sorted({UNLIKELY, near, kept, *beside})
        values = self._blend.forecast(horizon_s, asked, at_least)
        return Forecast(
            feature="demand",
            unit="slots",
            horizon_s=horizon_s,
            quantiles=tuple(
                Quantile(q=q, value=value) for q, value in zip(asked, values, strict=True)
            ),
            model="blend",
            planned_q=near,
            kept_q=kept,
        )

    def _learn(self, second: PoolSecond, slots: int) -> None:
        if not second.served_n:
            return
        self._told_work = second.served_tokens > 0
        served_s = second.served_s / second.served_n
        self.service.learn(
            Served(
                count=second.served_n,
                seconds=second.served_s,
                work=second.served_tokens or second.served_n,
                occupancy=self._occupancy.mean(max(1, round(served_s))),
                slots=slots,
            )
        )

    def service_s(self, slots: int) -> float:
        """How long a request holds a slot of a full replica; 0 before anything finished.

        Where work is not told in tokens, that is the time requests took: long ones fill replicas,
        so that full replicas look slow.
        """
        return self.service.full_s(slots if self._told_work else 0)

    def stretch(self, second: PoolSecond, slots: int) -> float:
        """How much longer a request takes in a full replica than in those of now."""
        if not (self._told_work and self.service.known and second.ready):
            return 1.0
        occupancy = min(float(slots), second.in_flight / second.ready)
        return self.service.full_s(slots) / max(1e-9, self.service.full_s(occupancy))
