"""docs/adopt/backtest.md: a past of one's own under several policies."""

from pathlib import Path

from tests.adopt.page import Page, run

ROOT = str(Path(__file__).parents[2])


def test_a_file_of_ones_own_is_held_against_policies(tmp_path: Path) -> None:
    page = Page("backtest")
    page.lay(tmp_path)
    said = ""
    for command in page.commands():
        done = run(command, tmp_path, PYTHONPATH=ROOT)
        assert done.returncode == 0, done.stderr
        said = done.stdout

    assert said.startswith("mine: 5 requests in 0.0 h, 2.80 s each, 1 at once in a replica")
    policies = {line.split("  ")[0] for line in said.splitlines()[2:-1]}
    assert policies == {"as it begins", "tidegate", "hpa", "keda"}
    assert (tmp_path / "mine.svg").is_file()
