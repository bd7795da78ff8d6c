"""Requests of a trace as columns, and what can be done to them: more, fewer, longer."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import reduce

import numpy as np
import numpy.typing as npt

from streams.windows.table import Floats, Ints

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One entry per request, sorted by ``at_s``, seconds from the start of the run.

    limit: tokens the answer may have at most. invalid: the gateway refuses it. tries: how often it
    was sent before.
    """

    at_s: Floats
    tenant: Ints
    prompt: Floats
    output: Floats
    limit: Floats
    invalid: Bools
    tries: Ints

    def __len__(self) -> int:
        return int(self.at_s.size)

    def where(self, keep: Bools) -> "Demand":
        return Demand(**{field.name: getattr(self, field.name)[keep] for field in fields(self)})

    def cut(self, first: int, last: int) -> "Demand":
        """From one place to before another."""
        every = {field.name: getattr(self, field.name)[first:last] for field in fields(self)}
        return Demand(**every)

    def but(self, **columns: Floats | Ints | Bools) -> "Demand":
        all_of = {field.name: getattr(self, field.name) for field in fields(self)}
        return Demand(**(all_of | columns))

    def and_also(self, other: "Demand") -> "Demand":
        both = {
            field.name: np.concatenate([getattr(self, field.name), getattr(other, field.name)])
            for field in fields(self)
        }
        order = np.argsort(both["at_s"], kind="stable")
        return Demand(**{name: column[order] for name, column in both.items()})

    def times(self, factor: float, chosen: Bools, rng: np.random.Generator) -> "Demand":
        """``factor`` times the chosen requests: some left out, or copies a moment later."""
        if factor < 1:
            return self.where(~chosen | (rng.random(len(self)) < factor))
        copies = np.where(chosen, rng.poisson(factor - 1, len(self)), 0)
        index = np.repeat(np.arange(len(self)), copies)
        more = Demand(
            at_s=self.at_s[index] + rng.exponential(1.0, index.size),
            tenant=self.tenant[index],
            prompt=self.prompt[index],
            output=self.output[index],
            limit=self.limit[index],
            invalid=self.invalid[index],
            tries=self.tries[index],
        )
        return self.and_also(more)


def together(parts: Sequence[Demand]) -> Demand:
    return reduce(Demand.and_also, parts)
