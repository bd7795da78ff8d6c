"""Two pod templates in, what differs as words out; never a value of the environment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import msgspec

from streams.sources.kubernetes.flags import MAX_SHOWN, cut, flags, shown
from streams.sources.kubernetes.objects import Container, Template

MAX_TOLD: Final = 8
MAX_NAMES: Final = 12
"""Of variables, told together."""
MAX_IMAGE: Final = 200
"""Images differ at their ends: a tag, a digest."""
MAX_COMPARED: Final = 2_000
"""Words of a command, and variables, of a container; that more differs is seen, not what."""
_RESTARTED: Final = "kubectl.kubernetes.io/restartedAt"
_IMAGE, _VARIABLE, _RESTART = "image", "variable", "restart"

Place = tuple[str, str, str]
"""(container, sort, name)"""


@dataclass(frozen=True, slots=True)
class Value:
    """What may be shown of a value, and a mark that tells it from others."""

    shown: str
    mark: bytes


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a pod template is compared. mark: of the whole."""

    mark: bytes = b""
    labels: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[Place, Value] = field(default_factory=dict)
    containers: int = 0

    @property
    def images(self) -> str:
        found = (v.shown for (_, sort, _), v in self.values.items() if sort == _IMAGE)
        return cut(", ".join(found), MAX_IMAGE)


def shape(raw: msgspec.Raw) -> Shape:
    """Raises msgspec.ValidationError for what is no template."""
    template = msgspec.json.decode(raw, type=Template)
    meta, spec = template.metadata, template.spec
    containers = spec.containers or () if spec else ()
    first = spec.init_containers or () if spec else ()
    values = {place: v for each in (*first, *containers) for place, v in _values(each)}
    labels, notes = (meta.labels, meta.annotations) if meta else (None, None)
    if restarted := (notes or {}).get(_RESTARTED, ""):
        values["", _RESTART, ""] = Value("", _mark(restarted.encode()))
    return Shape(_mark(bytes(raw)), labels or {}, values, len(containers) + len(first))


def differences(before: Shape, now: Shape) -> list[str]:
    """Images first, then flags and resources, then the names of variables.

    Empty if the templates are the same; if they differ in what is not looked at, it says that.
    """
    if before.mark == now.mark:
        return []
    several = max(before.containers, now.containers) > 1
    places = [
        place
        for place in sorted(before.values.keys() | now.values.keys(), key=_rank)
        if before.values.get(place) != now.values.get(place)
    ]
    told = [
        _says(place, before.values.get(place), now.values.get(place), several=several)
        for place in places
        if place[1] != _VARIABLE
    ]
    if names := sorted({name for _, sort, name in places if sort == _VARIABLE}):
        told.append(f"environment {_listed(names, MAX_NAMES)}")
    return told or ["its pod template"]


def is_release(before: Shape, now: Shape) -> bool:
    """Whether other software runs now, rather than the same with other settings."""
    images = [
        {place: v.mark for place, v in one.values.items() if place[1] in {_IMAGE, _RESTART}}
        for one in (before, now)
    ]
    return images[0] != images[1]


def told(words: Sequence[str]) -> str:
    return _listed(words, MAX_TOLD)


def _values(container: Container) -> Iterator[tuple[Place, Value]]:
    name = container.name
    yield (name, _IMAGE, ""), _value(cut(container.image, MAX_IMAGE), container.image)
    words = (*(container.command or ()), *(container.args or ()))
    for flag, values in flags(words[:MAX_COMPARED]).items():
        yield (name, "flag", flag), _value(shown(flag, values), "\0".join(values))
    resources = container.resources
    wanted = {**(resources.requests or {}), **(resources.limits or {})} if resources else {}
    for resource, amount in wanted.items():
        yield (name, "resource", resource), _value(cut(str(amount)), str(amount))
    for variable in (container.env or ())[:MAX_COMPARED]:
        named = msgspec.json.decode(variable, type=_Named).name
        yield (name, _VARIABLE, named), Value("", _mark(bytes(variable)))
    for each in (container.env_from or ())[:MAX_COMPARED]:
        yield (name, _VARIABLE, f"of {_origin(each)}"), Value("", _mark(bytes(each)))


class _Named(msgspec.Struct):
    name: str = ""


class _Origin(msgspec.Struct, rename="camel"):
    config_map_ref: _Named | None = None
    secret_ref: _Named | None = None


def _origin(raw: msgspec.Raw) -> str:
    origin = msgspec.json.decode(raw, type=_Origin)
    if origin.secret_ref:
        return f"secret {origin.secret_ref.name}"
    return f"config map {origin.config_map_ref.name if origin.config_map_ref else ''}".strip()


def _short(words: str) -> str:
    return cut(words, 2 * MAX_IMAGE + MAX_SHOWN)


def _value(text: str, whole: str) -> Value:
    return Value(text, _mark(whole.encode(errors="surrogatepass")))


def _mark(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()


_ORDER: Final = (_RESTART, _IMAGE, "flag", "resource", _VARIABLE)


def _rank(place: Place) -> tuple[int, Place]:
    return _ORDER.index(place[1]), place


def _says(place: Place, before: Value | None, now: Value | None, *, several: bool) -> str:
    container, sort, name = place
    if sort == _RESTART:
        return "a restart"
    what = f"{container}: " if several else ""
    what += _IMAGE if sort == _IMAGE else cut(name)
    if before is None or now is None:
        value = before or now
        known = f" {value.shown}" if value and value.shown else ""
        return f"{what}{known} {'added' if before is None else 'removed'}"
    if before.shown == now.shown:
        return f"{what} changed"
    return f"{what} {before.shown or '(none)'} -> {now.shown or '(none)'}"


def _listed(words: Sequence[str], limit: int) -> str:
    rest = len(words) - limit
    return ", ".join(map(_short, words[:limit])) + (f" and {rest} more" if rest > 0 else "")
