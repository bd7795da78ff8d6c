"""Every page is run by a test that bears its name."""

from pathlib import Path

import pytest

from tests.adopt.page import PAGES, Page, run

NAMES = sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "README")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_a_test_and_a_line_in_the_list_of_pages(name: str) -> None:
    test = Path(__file__).parent / f"test_{name.replace('-', '_')}.py"
    assert test.exists()
    assert f"({name}.md)" in (PAGES / "README.md").read_text()


def test_blocks_with_a_title_are_files_and_sh_blocks_are_typed(tmp_path: Path) -> None:
    page = Page(str(tmp_path / "page"))
    (tmp_path / "page.md").write_text(
        'Words.\n```yaml title="a.yaml"\na: 1\n```\n```sh\ncat a.yaml\n```\n```\nnothing\n```\n'
    )
    page.lay(tmp_path)
    assert [run(command, tmp_path).stdout for command in page.commands()] == ["a: 1\n"]
