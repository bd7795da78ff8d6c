"""What schedules call for at a moment, as values that a decision records."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """Bounds and expected demand of the schedules that hold, or are prepared for."""

    low: int = 0
    high: int | None = None
    """None: no most."""
    slots: float | None = None
    """Demand expected at least; None: nothing was said of it."""
    why: str = ""

    def numbers(self) -> dict[str, float]:
        """For the inputs of a decision."""
        said = {"low": self.low, "high": self.high, "slots": self.slots}
        return {f"scheduled_{name}": float(n) for name, n in said.items() if n is not None}


def scheduled_of(inputs: Mapping[str, float], names: Mapping[str, str]) -> Scheduled | None:
    """Back from ``Scheduled.numbers`` and its words, among others."""
    if "scheduled_low" not in inputs:
        return None
    high = inputs.get("scheduled_high")
    return Scheduled(
        low=int(inputs["scheduled_low"]),
        high=None if high is None else int(high),
        slots=inputs.get("scheduled_slots"),
        why=names.get("scheduled", "a schedule"),
    )
