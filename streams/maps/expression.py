"""Where a field's value stands in somebody else's document, and how it reads: pure, no code.

========================= ==========================================================
`model.name`              what is there: names and places (`choices.0.text`) after dots
`attributes."a.b"`        a name that has a dot itself, in quotes
`latency_ms|ms`           its unit
`user.tenant|else nobody` what stands in for nothing, or for null
`=finished`               always this
========================= ==========================================================

The long form is a table: `{path: status, unit: ms, values: {200: finished, 5xx: failed}, else: x}`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from streams.errors import InvalidParameterError
from streams.maps.units import reader, text, units_of

MAX_DEPTH: Final = 16
_PART: Final = re.compile(r'"([^"]+)"|([^."|=\s][^."|]*)')
_STATUS: Final = re.compile(r"[1-5]\d\d")

MISSING: Final = object()
"""Nothing, or null, was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """One field's expression; ``steps`` is the path, empty for a constant."""

    steps: tuple[str, ...] = ()
    path: str = ""
    unit: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    otherwise: object = MISSING

    @classmethod
    def parse(cls, name: str, source: str) -> Self:
        """Of the short form. Raises InvalidParameterError that names the field."""
        if source.startswith("="):
            return cls(otherwise=source[1:])
        path, *more = (part.strip() for part in source.split("|"))
        found = cls(steps=steps(name, path), path=path)
        unit, otherwise = "", MISSING
        for part in more:
            if part.startswith("else "):
                otherwise = part.removeprefix("else ").strip()
            else:
                unit = part
        return cls(steps=found.steps, path=path, unit=unit, otherwise=otherwise)

    def find(self, document: object) -> object:
        """What is meant, before its unit; MISSING if nothing is there and nothing stands in."""
        found = at(document, self.steps) if self.steps else MISSING
        if found is MISSING:
            return self.otherwise
        if not self.values:
            return found
        word = text(found)
        status = f"{word[0]}xx" if _STATUS.fullmatch(word) else word
        return self.values.get(word, self.values.get(status, self.otherwise))

    def reader(self, name: str) -> Callable[[object], object]:
        """Of its unit; raises InvalidParameterError if the field of ours knows no such unit."""
        allowed = units_of(name)
        if self.unit not in {"", *allowed}:
            raise InvalidParameterError(
                f"unit of {name}",
                self.unit,
                f"one of {', '.join(allowed)}" if allowed else "left out",
            )
        return reader(name, self.unit or next(iter(allowed), ""))


def steps(name: str, path: str) -> tuple[str, ...]:
    """The names of a dotted path; raises InvalidParameterError."""
    found = [quoted or plain.strip() for quoted, plain in _PART.findall(path)]
    whole = ".".join(f'"{part}"' if f'"{part}"' in path else part for part in found)
    if not found or whole != path or len(found) > MAX_DEPTH:
        allowed = f'names with dots between them (a."b.c".0), at most {MAX_DEPTH}, or =constant'
        raise InvalidParameterError(f"path of {name}", path, allowed)
    return tuple(found)


def at(document: object, path: Sequence[str]) -> object:
    """What stands at the path.

    >>> at({"choices": [{"text": "a"}]}, ["choices", "0", "text"])
    'a'
    """
    for step in path:
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list):
            place = int(step) if step.isdecimal() else -1
            document = document[place] if 0 <= place < len(document) else None
        else:
            return MISSING
    return MISSING if document is None else document
