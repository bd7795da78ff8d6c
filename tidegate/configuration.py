"""Every setting with its default and meaning, from the settings classes themselves."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from tidegate.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One setting: its environment variable, type, default and meaning."""

    name: str
    variable: str
    kind: str
    default: str
    meaning: str


def knobs() -> list[Knob]:
    return list(_walk(Settings, ()))


def markdown() -> str:
    """``docs/configuration.md``; a test compares."""
    lines = [
        "# Configuration",
        "",
        "Every setting, its environment variable and default. Settings come from defaults, then",
        "the YAML or JSON file named in `TIDEGATE_CONFIG`, then the environment, where lists are",
        "given as JSON.",
        "A misspelt name is an error. `TIDEGATE_CACHE` says where services for tests are kept,",
        "`TIDEGATE_STATE` where a running `up` keeps its files.",
        "",
        "| setting | environment variable | default | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{k.name}` | `{k.variable}` | `{k.default}` | {k.meaning.replace('|', chr(92) + '|')} |"
        for k in knobs()
    ]
    return "\n".join(lines) + "\n"


def _walk(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Knob]:
    meanings = _meanings(model)
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        inner = _section(field)
        if inner is not None and field.default is not None and not _is_list(field):
            yield from _walk(inner, here)
            continue
        yield Knob(
            name=".".join(here),
            variable="TIDEGATE_" + "__".join(here).upper(),
            kind=str(field.annotation),
            default=_shown(field),
            meaning=meanings.get(name, ""),
        )
        if inner is not None:
            yield from _walk(inner, (*here[:-1], f"{here[-1]}[]"))


def _is_list(field: FieldInfo) -> bool:
    return isinstance(field.default, tuple)


def _section(field: FieldInfo) -> type[BaseModel] | None:
    for candidate in (field.annotation, *get_args(field.annotation)):
        if inspect.isclass(candidate) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _shown(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True) if not field.is_required() else ...
    if value is ...:
        return "required"
    if isinstance(value, SecretStr):
        return "(secret)" if value.get_secret_value() else '""'
    if isinstance(value, tuple):
        return "[]" if not value else str(list(value))
    return '""' if value == "" else str(value)


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """The string under each field in the source, of what is inherited too."""
    meanings: dict[str, str] = {}
    for base in model.__bases__:
        if issubclass(base, BaseModel) and base not in {BaseModel, BaseSettings}:
            meanings |= _meanings(base)
    tree = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(tree, ast.ClassDef)  # noqa: S101
    for field, after in zip(tree.body, tree.body[1:], strict=False):
        match field, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                meanings[name] = " ".join(text.split())
    return meanings
