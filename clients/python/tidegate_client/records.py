"""What a service says about something in, a row of the topic's fields in their order out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tidegate_client.errors import UnfitRecordError
from tidegate_client.fields import FIELDS, REQUIRED, Field

Row = tuple[Any, ...]

MAX_TEXT_CHARS: Final = 16_384
"""Of a text: memory is bounded."""

DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    topic: {field.name: field.default for field in fields} for topic, fields in FIELDS.items()
}


def row_of(topic: str, record: Mapping[str, Any]) -> Row:
    """Raises UnfitRecordError for a name that Tidegate does not know, or a field that is missing.

    >>> row_of("changes", {"id": "7", "at_us": 1, "kind": "deployed", "summary": "v2"})[:4]
    ('7', 1, 'deployed', 'v2')
    """
    if topic not in FIELDS:
        raise UnfitRecordError(f"topic must be one of {', '.join(FIELDS)}, got {topic!r}")
    values: dict[str, Any] = {**DEFAULTS[topic], **record}
    if len(values) != len(FIELDS[topic]):
        unknown = sorted(record.keys() - DEFAULTS[topic].keys())[0]
        raise UnfitRecordError(
            f"{topic} has no field {unknown!r}; it has {', '.join(DEFAULTS[topic])}"
        )
    return tuple(_fit(topic, field, values[field.name]) for field in FIELDS[topic])


def _fit(topic: str, field: Field, value: Any) -> Any:
    if value is REQUIRED:
        raise UnfitRecordError(f"{topic} needs {field.name!r}")
    if field.choices and value not in field.choices:
        allowed = ", ".join(field.choices)
        raise UnfitRecordError(f"{field.name} of {topic} must be one of {allowed}, got {value!r}")
    if field.sort == "text" and len(value) > MAX_TEXT_CHARS:
        raise UnfitRecordError(f"{field.name} of {topic} has {len(value)} characters")
    return value
