"""The names of all engines in, selectors by quantity out: what to look for on any page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streams.sources.engine_names import ENGINES, Timing


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector, taken apart."""

    name: str
    label: str = ""
    values: frozenset[str] = frozenset()
    but: bool = False
    take: str = ""

    def fits(self, labels: Mapping[str, str]) -> bool:
        return not self.label or (labels.get(self.label, "") in self.values) != self.but


def selector(text: str) -> Selector:
    """A selector from its text.

    >>> selector("up{job!=a|b}").fits({"job": "c"}), selector("info@size").take
    (True, 'size')
    """
    name, _, condition = text.removesuffix("}").partition("{")
    name, _, take = name.partition("@")
    label, equals, values = condition.partition("=")
    but = label.endswith("!")
    return Selector(
        name,
        label.removesuffix("!"),
        frozenset(values.split("|")) if equals else frozenset(),
        but,
        take,
    )


def _candidates(section: str) -> dict[str, list[Selector]]:
    found: dict[str, list[Selector]] = {}
    for names in ENGINES.values():
        for quantity, texts in getattr(names, section).items():
            found.setdefault(quantity, []).extend(map(selector, texts))
    return found


LEVELS: Final[Mapping[str, Sequence[Selector]]] = _candidates("levels")
COUNTERS: Final[Mapping[str, Sequence[Selector]]] = _candidates("counters")
TIMINGS: Final[Mapping[str, Sequence[Timing]]] = {
    quantity: [t for names in ENGINES.values() for t in names.timings.get(quantity, ())]
    for quantity in ("ttft", "inter_token", "queue", "prefill", "duration")
}
ENGINE_OF: Final[Mapping[str, str]] = {
    selector(text).name: engine
    for engine, names in ENGINES.items()
    for section in (names.levels, names.counters)
    for texts in section.values()
    for text in texts
}
ADAPTERS: Final = frozenset(names.adapters for names in ENGINES.values() if names.adapters)
STARTED: Final = "process_start_time_seconds"
"""What the metrics library of many servers adds by itself: no sign of an engine."""

SIGNALS: Final = ADAPTERS | {
    one.name for found in (*LEVELS.values(), *COUNTERS.values()) for one in found
}
"""The metrics that tell of load: levels and counters. 30 at most stand on an engine's page."""
EVERYTHING: Final = SIGNALS | {
    part for found in TIMINGS.values() for timing in found for part in timing.parts if part
}
"""These and the distributions: all of a page that we read."""
WANTED: Final = tuple(sorted(EVERYTHING))
"""Beginnings of the lines that matter, for ``prometheus_text.parse``."""
