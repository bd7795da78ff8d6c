"""What one replica carries, as a region with four faces, each identified or a lower bound. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """How much at least; exactly so much where it is ``identified``."""

    value: float
    identified: bool = False


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one replica; None where nothing is known.

    Prefill and decode share its time: ``prefill / its limit + decode / its limit <= 1``. A file
    of ``tidegate profile`` can be read as a Region.

    >>> seen = Region(decode_tokens_per_s=Limit(value=90))
    >>> told = Region(decode_tokens_per_s=Limit(value=70, identified=True))
    >>> seen.or_else(told).decode_tokens_per_s
    Limit(value=90, identified=True)
    """

    prefill_tokens_per_s: Limit | None = None
    """Of prompt tokens that no prefix cache has."""
    decode_tokens_per_s: Limit | None = None
    kv_tokens: Limit | None = None
    """That the KV cache has room for."""
    in_flight: Limit | None = None

    def or_else(self, prior: "Region") -> "Region":
        """Where its own limit is not identified, that of ``prior``, unless more was seen."""
        if UNKNOWN in (self, prior):
            return prior if self == UNKNOWN else self
        return Region(
            **{face: _better(getattr(self, face), getattr(prior, face)) for face in FACES}
        )

    def value(self, face: str) -> float:
        """An identified limit; infinite where there is none, or one that cannot be."""
        limit: Limit | None = getattr(self, face)
        binds = limit is not None and limit.identified and limit.value > 0
        return limit.value if limit is not None and binds else float("inf")

    def known(self) -> Iterator[tuple[str, Limit]]:
        """The faces with a limit, in words for people."""
        for face in FACES:
            if (limit := getattr(self, face)) is not None:
                yield WORDS[face], limit

    def numbers(self) -> dict[str, float]:
        """What is known, for the inputs of a decision."""
        known = {_name(face): one for face in FACES if (one := getattr(self, face)) is not None}
        values = {name: one.value for name, one in known.items()}
        return values | {name + IDENTIFIED: float(one.identified) for name, one in known.items()}


UNKNOWN: Final = Region()
FACES: Final = Region.__struct_fields__
WORDS: Final = {
    "prefill_tokens_per_s": "prefill tokens/s",
    "decode_tokens_per_s": "decode tokens/s",
    "kv_tokens": "KV tokens",
    "in_flight": "requests in flight",
}
IDENTIFIED: Final = "_identified"


def _name(face: str) -> str:
    return f"replica_{face}"


def region_of(numbers: Mapping[str, float]) -> Region:
    """Back from ``Region.numbers``, among others."""
    return Region(
        **{
            face: Limit(value=numbers[name], identified=bool(numbers[name + IDENTIFIED]))
            for face in FACES
            if (name := _name(face)) in numbers
        }
    )


def _better(own: Limit | None, prior: Limit | None) -> Limit | None:
    if own is None or prior is None:
        return own or prior
    if own.identified:
        return own
    return Limit(value=max(own.value, prior.value), identified=prior.identified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Tokens of a request, on average; 0 where they are not known."""

    prompt: float = 0.0
    """Without those that a prefix cache has."""
    output: float = 0.0
    resident: float = 0.0
    """In the KV cache while it is served."""

    def numbers(self) -> dict[str, float]:
        """What is known, for the inputs of a decision."""
        known = {name: getattr(self, name) for name in self.__slots__}
        return {f"request_{name}_tokens": value for name, value in known.items() if value}


def mix_of(numbers: Mapping[str, float]) -> Mix:
    """Back from ``Mix.numbers``, among others."""
    return Mix(**{name: numbers.get(f"request_{name}_tokens", 0.0) for name in Mix.__slots__})


UNTOLD: Final = Mix()
