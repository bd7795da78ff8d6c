from pathlib import Path

from tidegate.configuration import knobs, markdown

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_document_is_what_the_settings_say() -> None:
    assert DOCUMENT.read_text() == markdown(), "run `tidegate config > docs/configuration.md`"


def test_sections_and_lists_are_walked() -> None:
    names = {knob.name for knob in knobs()}

    assert {"scaling.dry_run", "backend.pools", "backend.pools[].slots"} <= names
