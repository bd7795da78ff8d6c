"""docs/adopt/history.md: past requests in a file become windows."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.adopt.page import Page, run

ROOT = str(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder, and what was said on the way."""
    page, folder = Page("history"), tmp_path_factory.mktemp("history")
    page.lay(folder)
    said = []
    for command in page.commands():
        done = run(command, folder, PYTHONPATH=ROOT)
        assert done.returncode == 0, done.stderr
        said.append(done.stderr)
    return folder, said


def windows(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line["topic"] == "windows"]


def total(path: Path, column: str) -> int:
    return sum(line["columns"].get(column, 0) for line in windows(path))


def test_a_trace_of_azure_becomes_windows(followed: tuple[Path, list[str]]) -> None:
    folder, said = followed

    assert "3 requests of kind azure, 3 with a known end" in said[0]
    assert "1 lines are no requests" in said[0]
    assert "line 4: ContextTokens: could not convert string to float: 'oops'" in said[0]
    assert total(folder / "azure-windows.jsonl", "arrived") == 3
    assert total(folder / "azure-windows.jsonl", "output_tokens") == 98
    assert (folder / "azure.db").is_file()


def test_a_file_of_ones_own_becomes_windows(followed: tuple[Path, list[str]]) -> None:
    folder, _ = followed
    found = windows(folder / "mine-windows.jsonl")

    assert {line["labels"]["tenant"] for line in found} == {"acme", "birch"}
    assert {line["labels"]["pool"] for line in found} == {"chat"}
    assert total(folder / "mine-windows.jsonl", "duration_s.sum") == 3_000_000
