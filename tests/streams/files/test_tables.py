"""Files in, their columns and lines out, however they are written."""

import gzip
import sys
from pathlib import Path

import pytest

from streams.errors import InvalidParameterError
from streams.sources.files.row import BadLine
from streams.sources.files.tables import MAX_LINE_CHARS, Table, open_table

FOUND = [(2, {"at": "1", "in": "2"}), (3, {"at": "3", "in": "4"})]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", b"at,in\n1,2\n3,4\n"),
        ("semicolons.csv", b"at;in\r\n1;2\r\n3;4"),
        ("a.tsv", b"at\tin\n1\t2\n3\t4\n"),
        ("marked.csv", b"\xef\xbb\xbfat, in\n1,2\n3,4\n"),
        ("packed.csv.gz", gzip.compress(b"at,in\n1,2\n3,4\n", mtime=0)),
    ],
)
def test_the_same_table_however_it_is_written(tmp_path: Path, name: str, text: bytes) -> None:
    (tmp_path / name).write_bytes(text)
    table = open_table(tmp_path / name)

    assert (table.columns, list(table.lines)) == (["at", "in"], FOUND)


def table_of(folder: Path, name: str, text: str) -> Table:
    (folder / name).write_text(text)
    return open_table(folder / name)


def test_a_bad_line_of_csv_costs_only_itself(tmp_path: Path) -> None:
    endless = "9" * (MAX_LINE_CHARS + 5)
    table = table_of(tmp_path, "a.csv", f"at,in\n1,2\n\n7\n{endless},8\n3,4\n")
    lines = list(table.lines)

    assert [line for line in lines if not isinstance(line, BadLine)] == [FOUND[0], (6, FOUND[1][1])]
    assert [line.line for line in lines if isinstance(line, BadLine)] == [4, 5]


def test_json_lines_are_read_one_by_one(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a.jsonl", '{"at":1,"in":2}\n\nmoon\n[]\n{"at":3}\n')
    lines = list(table.lines)

    assert table.columns == ["at", "in"]
    assert [line if isinstance(line, tuple) else line.line for line in lines] == [
        (1, {"at": 1, "in": 2}),
        3,
        4,
        (5, {"at": 3}),
    ]


def test_parquet_is_read_row_by_row(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"at": [1, 3], "in": [2, 4]}), tmp_path / "a.parquet")
    table = open_table(tmp_path / "a.parquet")

    assert (table.columns, list(table.lines)) == (
        ["at", "in"],
        [(1, {"at": 1, "in": 2}), (2, {"at": 3, "in": 4})],
    )


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)

    with pytest.raises(InvalidParameterError, match=r"pip install tidegate\[parquet\]"):
        open_table(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["a.xlsx", "a", "absent.csv"])
def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidParameterError, match=r"^FILE must be (a file that ends|readable)"):
        open_table(tmp_path / name)
