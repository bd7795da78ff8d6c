"""Slots, region and requests of a replica in; how many slots it can use at once out. Pure."""

from dataclasses import dataclass
from typing import Final

from autoscaler.region import UNKNOWN, WORDS, Mix, Region

SLACK_RATIO: Final = 0.9
"""A face that leaves so much of the slots cannot be told from the slots themselves."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a replica runs out of first, and the requests at once it is enough for."""

    slots: float
    face: str = ""
    """Empty: its slots."""
    asked: float = 0.0
    """Of the face, by as many requests as there are slots;"""
    carried: float = 0.0
    """by as many as it is enough for."""

    def __str__(self) -> str:
        return (
            f"{self.face} bind: a replica carries {self.carried:,.4g} and full slots would "
            f"ask for {self.asked:,.4g}"
        )


def binding(region: Region, mix: Mix, *, slots: int, service_s: float) -> Binding:
    """The face nearest its limit when all slots are in use.

    service_s: how long a request holds a slot, so that each asks for ``tokens / service_s`` a
    second. Only identified faces bind, one request at least fits, and nothing makes more of a
    replica than its slots: an unknown, old or false limit costs replicas and never takes one away.

    >>> from autoscaler.region import Limit
    >>> region = Region(decode_tokens_per_s=Limit(value=30, identified=True))
    >>> print(binding(region, Mix(output=48), slots=4, service_s=4))
    decode tokens/s bind: a replica carries 30 and full slots would ask for 48
    """
    if region == UNKNOWN:
        return Binding(float(slots))
    prefill_s = mix.prompt / region.value("prefill_tokens_per_s")
    decode_s = mix.output / region.value("decode_tokens_per_s")
    busiest = (
        ("prefill_tokens_per_s", mix.prompt)
        if prefill_s > decode_s
        else ("decode_tokens_per_s", mix.output)
    )
    per_s = 1 / service_s if service_s > 0 else 0.0
    faces = (
        (WORDS[busiest[0]], busiest[1] * per_s, _times(1, (prefill_s + decode_s) * per_s)),
        (WORDS["kv_tokens"], mix.resident, _times(region.value("kv_tokens"), mix.resident)),
        (WORDS["in_flight"], 1.0, region.value("in_flight")),
    )
    face, each, enough_for = min(faces, key=lambda one: one[2])
    fits = max(1.0, enough_for)
    if fits >= SLACK_RATIO * slots:
        return Binding(float(slots))
    return Binding(fits, face, asked=slots * each, carried=fits * each)


def _times(limit: float, each: float) -> float:
    return limit / each if each > 0 else float("inf")
