"""The other pool that requests of a pool go through, as values that a decision records."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mate:
    """Prefill or decode of the same service: capacity of one without the other is worth nothing."""

    pool: str
    role: str
    takes_per_s: float
    """Requests a second that those of its replicas that stand can take."""
    sends_per_s: float = 0.0
    """That it hands over now, where it comes first."""

    def numbers(self) -> dict[str, float]:
        """For the inputs of a decision."""
        return {"mate_takes_per_s": self.takes_per_s, "mate_sends_per_s": self.sends_per_s}

    def names(self) -> dict[str, str]:
        return {"mate": self.pool, "mate_role": self.role}


def mate_of(inputs: Mapping[str, float], names: Mapping[str, str]) -> Mate | None:
    """Back from ``Mate.numbers`` and its names, among others."""
    if "mate_takes_per_s" not in inputs:
        return None
    return Mate(
        pool=names.get("mate", "the other pool"),
        role=names.get("mate_role", "decode"),
        takes_per_s=inputs["mate_takes_per_s"],
        sends_per_s=inputs["mate_sends_per_s"],
    )
