import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "streams",
    "detectors",
    "model_backend",
    "autoscaler",
    "dashboards",
    "tidegate",
    "clients",
)
MAX_LINES = 300
BANNED_NAMES = {"utils", "helpers", "common", "manager", "handler", "processor", "misc"}


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def sources() -> Iterator[Path]:
    return (path for path in tracked("*.py") if path.relative_to(ROOT).parts[0] in PACKAGES)


def test_files_stay_small() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_files_are_named_after_the_one_thing_in_them() -> None:
    assert [p for p in sources() if p.stem in BANNED_NAMES] == []


def test_every_module_says_what_it_is() -> None:
    silent = [p for p in sources() if (t := p.read_text()) and not t.startswith(('"""', 'r"""'))]
    assert silent == []


def test_nothing_is_left_to_be_done_without_an_issue() -> None:
    pattern = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))|NotImplementedError")
    found = [str(p.relative_to(ROOT)) for p in sources() if pattern.search(p.read_text())]
    assert found == []


def test_the_glossary_has_each_word_once() -> None:
    words = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize("word", ["/work" + "/", "/root" + "/", "pypi" + ".org", "npmjs" + ".org"])
def test_no_path_of_a_machine_and_no_registry(word: str) -> None:
    texts = (
        p for p in tracked() if p.suffix in {".py", ".md", ".yaml", ".toml", ".json", ".lock", ""}
    )
    assert [str(p.relative_to(ROOT)) for p in texts if word in p.read_text(errors="ignore")] == []


def test_data_of_others_names_its_licence() -> None:
    found = tracked("*.npz")
    assert found
    for data in found:
        assert (data.parent / "ATTRIBUTION.md").exists()
        assert list(data.parent.glob("LICENSE*"))
