"""Raw records in, the same as names and defaults out: what ``tidegate-client`` knows of them.

``python -m streams.schemas.vocabulary > clients/python/tidegate_client/fields.py``
"""

import sys
from collections.abc import Iterator
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from streams.topics import TOPICS

_SENT: Final = ("requests", "engine", "gpu", "changes")

_HEAD: Final = '''"""Names, sorts and defaults of all that can be sent. Generated: ``make docs``."""

# fmt: off
# ruff: noqa: E501

from __future__ import annotations

from typing import Any, NamedTuple

REQUIRED = ...
"""Default of a field that has none."""


class Field(NamedTuple):
    """``sort``: text, whole, number or attributes; ``choices``: a closed set of words."""

    name: str
    sort: str
    default: Any = REQUIRED
    choices: tuple[str, ...] = ()


'''


def module() -> str:
    """The text of ``tidegate_client/fields.py``."""
    lines = ["FIELDS: dict[str, tuple[Field, ...]] = {"]
    for topic in _SENT:
        record = TOPICS[topic].record
        assert record is not None  # noqa: S101
        lines += [f'    "{topic}": (', *_fields(record), "    ),"]
    return _HEAD + "\n".join([*lines, "}", ""])


def _fields(record: type[msgspec.Struct]) -> Iterator[str]:
    hints = get_type_hints(record)
    for field in msgspec.structs.fields(record):
        hint = hints[field.name]
        parts = [f'"{field.name}"', f'"{_sort(hint)}"']
        if not field.required:
            parts.append(_literal({} if _sort(hint) == "attributes" else field.default))
        if get_origin(hint) is Literal:
            parts.append(f"choices=({', '.join(map(_literal, get_args(hint)))})")
        yield f"        Field({', '.join(parts)}),"


def _sort(hint: Any) -> str:
    if hint is str or get_origin(hint) is Literal:
        return "text"
    if get_origin(hint) is dict:
        return "attributes"
    return "whole" if hint is int else "number"


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    sys.stdout.write(module())
