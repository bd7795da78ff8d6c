"""Objects of the planner -> plain values and back: everything learned, and nothing that runs code.

An object is ["object", its class, {attribute: value}]. Only classes are made again that were shown
before, or are plain records beside them, and only with the attributes that they have today.
"""

import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

import msgspec
import numpy as np
from pydantic import BaseModel

from streams.errors import SnapshotError

_SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
_ROWS: Final[Mapping[str, type]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}
_TABLES: Final[Mapping[str, type]] = {"dict": dict, "Counter": Counter}


class Plain:
    """Knows the classes of the ``shown`` objects, of all that they hold and of records beside them.

    Settings are left out: whoever makes an object anew gives it those of today.

    kinds: records that come up later only.
    """

    def __init__(self, shown: Iterable[object], kinds: Iterable[type] = ()) -> None:
        self._attributes = {kind: tuple(_declared(kind)) for kind in kinds}
        for each in shown:
            self._see(each)
        self._kinds = {_name(kind): kind for kind in self._attributes}
        self._names = {kind: name for name, kind in self._kinds.items()}
        self._shared = frozenset(kind for kind in self._attributes if _frozen(kind))
        """Of these, two places may hold the same one."""

    def plain(self, value: object) -> object:
        """Raises SnapshotError for what it was not shown, and for what is held in two places."""
        return self._plain(value, set())

    def fill(self, fresh: object, plain: object) -> None:
        """Make ``fresh`` as the one was of which ``plain`` came; its settings stay its own.

        Raises SnapshotError, with nothing changed, unless it fits.
        """
        name, attributes = self._object(plain)
        kind: type = type(fresh)
        if name != _name(kind):
            raise SnapshotError(f"{name} is not {_name(kind)}")
        values = {key: self._value(value) for key, value in attributes.items()}
        for key, value in values.items():
            setattr(fresh, key, value)

    def _see(self, value: object) -> None:
        if _is_object(value):
            held = dict(_held(value))
            self._attributes[type(value)] = tuple(held)
            for kind in vars(sys.modules[type(value).__module__]).values():
                if isinstance(kind, type) and (declared := tuple(_declared(kind))):
                    self._attributes.setdefault(kind, declared)
            for each in held.values():
                self._see(each)
        elif isinstance(value, Mapping):
            for each in value.values():
                self._see(each)
        elif isinstance(value, (list, tuple, deque)):
            for each in value:
                self._see(each)

    def _plain(self, value: Any, above: set[int]) -> object:
        kind = type(value)
        if kind in _SCALARS:
            return value
        if isinstance(value, (np.ndarray, np.generic)):
            return _array(value)
        if kind is deque or kind in _ROWS.values():
            rows = [each if type(each) in _SCALARS else self._plain(each, above) for each in value]
            return ["deque", value.maxlen, rows] if kind is deque else [kind.__name__, rows]
        if kind in _TABLES.values():
            pairs = [[self._plain(k, above), self._plain(v, above)] for k, v in value.items()]
            return [kind.__name__, pairs]
        return self._plain_object(value, above)

    def _plain_object(self, value: object, above: set[int]) -> object:
        kind: type = type(value)
        if kind not in self._names:
            raise SnapshotError(f"{_name(kind)} is not known to what keeps memories")
        if kind not in self._shared and id(value) in above:
            raise SnapshotError(f"a {_name(kind)} is held in two places, and would be two")
        above.add(id(value))
        attributes = {
            name: each if type(each) in _SCALARS else self._plain(each, above)
            for name in self._attributes[kind]
            for each in (getattr(value, name),)
        }
        return ["object", self._names[kind], attributes]

    def _value(self, plain: Any) -> Any:
        if type(plain) in _SCALARS:
            return plain
        try:
            match plain:
                case ["object", *_]:
                    return self._made(plain)
                case ["deque", maxlen, rows]:
                    return deque(map(self._value, rows), maxlen)
                case ["array", dtype, shape, data]:
                    return np.frombuffer(data, np.dtype(dtype)).reshape(shape).copy()
                case [name, rows] if name in _ROWS:
                    return _ROWS[name](map(self._value, rows))
                case [name, pairs] if name in _TABLES:
                    return _TABLES[name]({self._value(k): self._value(v) for k, v in pairs})
        except (TypeError, ValueError) as exc:
            raise SnapshotError(str(exc)) from exc
        raise SnapshotError(f"{str(plain)[:100]} is nothing that was kept")

    def _made(self, plain: object) -> object:
        name, attributes = self._object(plain)
        kind = self._kinds[name]
        values = {key: self._value(value) for key, value in attributes.items()}
        if issubclass(kind, msgspec.Struct):
            return kind(**values)
        made = object.__new__(kind)
        for key, value in values.items():
            object.__setattr__(made, key, value)  # also of what is frozen
        return made

    def _object(self, plain: Any) -> tuple[str, Mapping[str, object]]:
        match plain:
            case ["object", str(name), dict(attributes)] if name in self._kinds:
                today = self._attributes[self._kinds[name]]
                if differ := attributes.keys() ^ today:
                    raise SnapshotError(f"{name} has other attributes now: {sorted(differ)}")
                return name, attributes
            case _:
                raise SnapshotError(f"{str(plain)[:100]} is nothing that is known here")


def _array(value: Any) -> object:
    if isinstance(value, np.generic):
        return value.item()
    return ["array", value.dtype.str, list(value.shape), value.tobytes()]


def _is_object(value: object) -> bool:
    ours = type(value).__module__.partition(".")[0] in {"autoscaler", "streams"}
    return ours and not isinstance(value, (type, BaseModel))


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _frozen(kind: type) -> bool:
    if is_dataclass(kind):
        return bool(getattr(kind, "__dataclass_params__").frozen)  # noqa: B009 - not for checkers
    return issubclass(kind, msgspec.Struct)


def _declared(kind: type) -> Iterator[str]:
    if is_dataclass(kind):
        yield from (field.name for field in fields(kind))
    elif issubclass(kind, msgspec.Struct):
        yield from kind.__struct_fields__


def _held(value: object) -> Iterator[tuple[str, object]]:
    """Attributes with their values, without settings."""
    names = list(_declared(type(value))) or list(vars(value))
    for name in names:
        if not isinstance(held := getattr(value, name), BaseModel):
            yield name, held
