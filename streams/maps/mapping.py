"""A document of somebody else's in, a record of ours or the reason why not out: pure."""

import types
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec

from streams.errors import InvalidParameterError
from streams.maps.expression import MISSING, Expression, at
from streams.maps.units import number, text, units_of, whole
from streams.schemas.telemetry import Change, EngineSample, GpuSample, RequestEvent
from streams.windows.check import Reject

RECORDS: Final[Table[str, type[msgspec.Struct]]] = {
    "request": RequestEvent,
    "engine": EngineSample,
    "gpu": GpuSample,
    "change": Change,
}
SHORT: Final = {"at": "at_us", "event": "kind"}
"""What people write -> the name of the field."""
MAX_SHOWN_CHARS: Final = 40
FAILED_STATUS: Final = 500


@dataclass(frozen=True, slots=True)
class _Field:
    """How one field is read; ``said`` is what its user calls it."""

    name: str
    said: str
    expression: Expression
    read: Callable[[object], object]
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """What a document means; give it documents whose texts and numbers are Python's."""

    record: type[msgspec.Struct]
    constants: Table[str, object]
    fields: Sequence[_Field]
    where: Sequence[tuple[tuple[str, ...], tuple[str, ...]]] = ()

    def of(self, document: object) -> msgspec.Struct | Reject | None:
        """The record; None if the document is not among those that are meant."""
        if not all(_matches(document, path, texts) for path, texts in self.where):
            return None
        values: dict[str, Any] = {**self.constants}
        for each in self.fields:
            found = _value(each, document)
            if isinstance(found, Reject):
                return found
            if found is not MISSING:
                values[each.name] = found
        if values.get("kind") == "failed":  # A request that ends with an error of ours.
            values["kind"] = "finished"
            values["status"] = max(values.get("status", 0), FAILED_STATUS)
        return self.record(**values)


@dataclass(frozen=True, slots=True)
class AsItIs:
    """A mapping for documents that are records already."""

    def of(self, document: object) -> msgspec.Struct | Reject | None:
        return document if isinstance(document, msgspec.Struct) else None


def mapping_of(
    record: str,
    fields: Table[str, Expression],
    where: Table[str, tuple[tuple[str, ...], tuple[str, ...]]],
) -> Mapping:
    """Raises InvalidParameterError that names the field, what is allowed and what came."""
    kind = RECORDS[record]
    known = {each.name: each for each in msgspec.structs.fields(kind)}
    names = {SHORT.get(said, said): said for said in fields}
    back = {name: said for said, name in SHORT.items()}
    allowed = sorted(back.get(name, name) for name in known if name != "attributes")
    for name, said in names.items():
        if name not in known or name == "attributes":
            raise InvalidParameterError(f"field of {record}", said, f"one of {', '.join(allowed)}")
    if absent := [each.name for each in known.values() if each.required and each.name not in names]:
        needed = ", ".join(back.get(name, name) for name in absent)
        raise InvalidParameterError(
            f"fields of {record}", list(fields), f"with {needed} among them"
        )
    made = [_field(known[name], said, fields[said], kind) for name, said in names.items()]
    constants = {each.name: _value(each, {}) for each in made if not each.expression.steps}
    read = [each for each in made if each.expression.steps]
    return Mapping(kind, constants, read, tuple(where.values()))


def _field(
    info: msgspec.structs.FieldInfo, said: str, expression: Expression, kind: type[msgspec.Struct]
) -> _Field:
    read, choices = _reading(info, expression)
    if choices and kind is RequestEvent and info.name == "kind":
        choices = (*choices, "failed")
    made = _Field(info.name, said, expression, read, choices, info.required)
    if not expression.steps:  # A constant that does not fit is found at once.
        constant = _value(made, {})
        if isinstance(constant, Reject):
            raise InvalidParameterError(said, expression.otherwise, constant.detail)
    return made


def _reading(
    info: msgspec.structs.FieldInfo, expression: Expression
) -> tuple[Callable[[object], object], tuple[str, ...]]:
    plain = _without_none(info.type)
    if get_origin(plain) is Literal:
        return text, get_args(plain)
    convert = expression.reader(info.name)
    if plain is str:
        return text, ()
    if plain is int and info.name != "at_us":
        return whole, ()
    return (convert if units_of(info.name) else number), ()


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in {Union, types.UnionType}:
        return next(each for each in get_args(kind) if each is not types.NoneType)
    return kind


def _value(field: _Field, document: object) -> object:
    try:
        found = field.expression.find(document)
        if found is MISSING:
            detail = f"{field.said}: nothing at `{field.expression.path}`"
            return Reject("missing_field", detail) if field.required else MISSING
        value = field.read(found)
    except (ValueError, OverflowError) as exc:
        came = at(document, field.expression.steps)
        return Reject("wrong_type", f"{_where(field)} must be {exc}, got {_shown(came)}")
    if field.choices and value not in field.choices:
        allowed = ", ".join(field.choices)
        return Reject(
            "unknown_kind", f"{_where(field)} must be one of {allowed}, got {_shown(value)}"
        )
    return value


def _where(field: _Field) -> str:
    path = field.expression.path
    return f"{field.said} from `{path}`" if path else field.said


def _shown(value: object) -> str:
    """Long texts may be what people wrote: they are not shown."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, str) and len(value) > MAX_SHOWN_CHARS:
        return f"a text of {len(value)} characters"
    if isinstance(value, str | int | float):
        return repr(value)
    return "nothing" if value is MISSING else f"a {type(value).__name__}"


def _matches(document: object, path: Sequence[str], texts: Sequence[str]) -> bool:
    found = at(document, path)
    return isinstance(found, str | int | float | bool) and text(found) in texts
