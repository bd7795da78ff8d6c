"""Every record in, its JSON Schema out: ``python -m streams.schemas.export docs/schemas``."""

import ast
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

from streams.codec import BlockHeader, FrameHeader
from streams.schemas.base import Record
from streams.schemas.system import FrameMark, SnapshotManifest, SourceMark
from streams.topics import ANOMALY_RECORD, POOL_RECORDS, TOPICS
from streams.windows.features import FEATURES, Feature, Merge
from streams.windows.rows import columns_of

_BESIDES: Final[tuple[type[msgspec.Struct], ...]] = (
    *POOL_RECORDS,
    ANOMALY_RECORD,
    FrameMark,
    SourceMark,
    SnapshotManifest,
    BlockHeader,
    FrameHeader,
)
_ON_TOPICS: Final = tuple(topic.record for topic in TOPICS.values() if topic.record is not None)

RECORDS: Final[Mapping[str, type[msgspec.Struct]]] = {
    record.__name__: record for record in (*_ON_TOPICS, *_BESIDES)
}
"""Everything that travels as JSON, by name."""

_COLUMNS_HEAD: Final = """# Columns of tables

Generated from `streams/windows/features.py`; how they lie in a block: [envelope.md](envelope.md).
All are int64; a value is stored as value × scale, rounded. Columns of a feature that has nothing
in a block are left out.
"""


def pages() -> dict[str, str]:
    """File name -> contents of all that is generated."""
    found = {f"{name}.json": _schema(record) for name, record in RECORDS.items()}
    return found | {"columns.md": _columns_page()}


def _schema(record: type[msgspec.Struct]) -> str:
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= msgspec.json.schema(record)
    ours = {each.__name__: each for each in Record.__subclasses__()}
    for name, definition in schema["$defs"].items():
        definition["description"] = inspect.cleandoc(ours[name].__dict__.get("__doc__") or name)
        for field, words in _words(ours[name]):
            definition["properties"][field]["description"] = words
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _words(record: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    """Field and the string that stands below it in the source."""
    (tree,) = ast.parse(inspect.getsource(record)).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for statement, following in pairwise(body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                yield name, inspect.cleandoc(text)


def _columns_page() -> str:
    lines: list[str] = []
    for kind, features in FEATURES.items():
        lines += ["", f"## {kind}", "", "| columns | unit | scale | what |", "|---|---|---|---|"]
        lines += [_row(feature) for feature in features]
    return _COLUMNS_HEAD + "\n".join(lines) + "\n"


def _row(feature: Feature) -> str:
    names = list(columns_of(feature))
    if feature.merge is Merge.HISTOGRAM:
        names += [f"{feature.name}#{part}" for part in ("row", "bucket", "count")]
    columns = ", ".join(f"`{name}`" for name in names)
    return f"| {columns} | {feature.unit} | {feature.scale:,} | {feature.help} |"


def main(folder: Path) -> None:
    """Write all pages into ``folder``."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
