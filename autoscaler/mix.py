"""Requests by class and seconds of replicas in, the tokens of those that come now out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from autoscaler.demand import MAX_CLASSES, PoolSecond
from autoscaler.region import Mix
from autoscaler.replica_seconds import ReplicaSecond

ARRIVALS_HALF_S: Final = 30.0
"""Seconds after which an arrival counts half in which classes ask for how much of the pool."""
CLASS_HALF: Final = 50.0
"""Requests after which one counts half in what is usual for its class."""
READ_HALF_S: Final = 300.0


class FadingMean:
    """A mean whose older parts count less.

    >>> mean = FadingMean(half_life=1)
    >>> mean.see(10, weight=1)
    >>> mean.see(40, weight=1)
    >>> mean.value
    30.0
    """

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self.weight = self._total = 0.0

    def see(self, total: float, weight: float, passed: float | None = None) -> None:
        """``total`` over ``weight`` things; passed: what older ones fade by, if not ``weight``."""
        keep = float(0.5 ** ((weight if passed is None else passed) / self._half_life))
        self._total = keep * self._total + total
        self.weight = keep * self.weight + weight

    @property
    def value(self) -> float:
        return self._total / self.weight if self.weight else 0.0


def _of_class() -> FadingMean:
    return FadingMean(CLASS_HALF)


@dataclass(slots=True)
class _Class:
    """Requests of one model and route."""

    prompt: FadingMean = field(default_factory=_of_class)
    output: FadingMean = field(default_factory=_of_class)
    recent: float = 0.0


class MixMeter:
    """What a request asks of a replica, on average over the classes that arrive now.

    Output is predicted for each by what those of its class had that ended. Prompts are counted in
    tokens that engines had to read: they tell how many that were for each that the gateway counted,
    by their own tokens and without those in the prefix cache.
    """

    def __init__(self) -> None:
        self._classes: dict[tuple[str, str], _Class] = {}
        self._read = FadingMean(READ_HALF_S)
        self._resident = FadingMean(READ_HALF_S)

    def see(self, second: PoolSecond) -> None:
        for one in self._classes.values():
            one.recent *= 0.5 ** (1 / ARRIVALS_HALF_S)
        for name, seen in second.classes.items():
            one = self._class(name)
            one.recent += seen.arrived
            one.prompt.see(seen.prompt_tokens, seen.arrived)
            one.output.see(seen.output_tokens, seen.ended)
        told = sum(seen.prompt_tokens for seen in second.classes.values())
        self._read.see(0.0, told, passed=1.0)

    def see_replicas(self, rows: Sequence[ReplicaSecond]) -> None:
        self._read.see(sum(row.prompt_tokens for row in rows), 0.0, passed=0.0)
        telling = [row for row in rows if row.kv_tokens > 0 and row.running > 0]
        self._resident.see(
            sum(row.kv_tokens for row in telling), sum(row.running for row in telling), passed=1.0
        )

    def mix(self) -> Mix:
        classes = [(one, one.recent) for one in self._classes.values() if one.recent > 0]
        arrived = sum(recent for _, recent in classes)
        if not arrived:
            return Mix()
        prompt = sum(one.prompt.value * recent for one, recent in classes) / arrived
        output = sum(one.output.value * recent for one, recent in classes) / arrived
        # Half of the output is there on average; engines that tell know of shared prefixes too.
        resident = self._resident.value or prompt + output / 2
        read = prompt * (self._read.value or 1.0)
        return Mix(prompt=round(read, 2), output=round(output, 2), resident=round(resident, 2))

    def _class(self, name: tuple[str, str]) -> _Class:
        if name not in self._classes and len(self._classes) >= MAX_CLASSES:
            rarest = min(self._classes, key=lambda known: self._classes[known].recent)
            del self._classes[rarest]
        return self._classes.setdefault(name, _Class())
