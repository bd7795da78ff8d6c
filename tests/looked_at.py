"""What a first look is pointed at in the tests, and the command that looks."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.services import Missing, Prometheus

ROOT = Path(__file__).parents[1]


@contextmanager
def scraping(
    folder: Path, targets: Mapping[str, Sequence[str]], **how: Any
) -> Iterator[Prometheus]:
    """A real Prometheus that scrapes these instances of these jobs each second."""
    try:
        prometheus = Prometheus(folder)
        prometheus.start(targets, **how)
    except Missing as exc:
        if os.environ.get("CI") == "true":
            pytest.fail(f"prometheus: {exc}")
        pytest.skip(f"prometheus: {exc}")
    try:
        yield prometheus
    finally:
        prometheus.stop()


@contextmanager
def watching(state: Path, *words: str, **settings: str) -> Iterator[IO[str]]:
    """`tidegate watch … --json`, as long as somebody reads."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("TIDEGATE_")}
    env |= {"TIDEGATE_STATE": str(state), "PYTHONPATH": str(ROOT)}
    env |= {f"TIDEGATE_WATCH__{name.upper()}": value for name, value in settings.items()}
    argv = [sys.executable, "-m", "tidegate", "watch", "--json", *words]
    process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def said(lines: IO[str], kind: str) -> dict[str, Any]:
    """The next thing of a kind that is said; anything of another kind is passed over."""
    for line in lines:
        fact: dict[str, Any] = json.loads(line)
        if fact["kind"] == kind:
            return fact
    pytest.fail(f"nothing more was said, and no {kind}")
