"""`tidegate watch` on a real Prometheus with engines: quiet, until one of them grows slow."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.looked_at import said, scraping, watching
from tests.services import Prometheus
from tests.services.engine_pages import EnginePage

pytestmark = pytest.mark.slow

SOON_S = 60


class World(NamedTuple):
    pages: list[EnginePage]
    prometheus: Prometheus


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        pages = [stack.enter_context(EnginePage()) for _ in range(3)]
        targets = {"vllm": [page.netloc for page in pages]}
        folder = tmp_path_factory.mktemp("prometheus")
        yield World(pages, stack.enter_context(scraping(folder, targets)))


def test_a_slow_replica_is_named_within_a_minute(world: World, tmp_path: Path) -> None:
    slow = world.pages[1]
    words = (world.prometheus.url, "--no-page")
    with watching(tmp_path, *words, first_verdict_s="5") as lines:
        understood, first = said(lines, "understood"), said(lines, "verdict")
        broken_at, slow.inter_token_s = time.monotonic(), 0.2
        then = said(lines, "verdict")
    slow.inter_token_s = 0.03

    assert "with 3 vLLM replicas in 1 pool (Tide-7B: 3)" in understood["sentences"][0]
    assert first["state"] == "healthy", first
    assert then["state"] == "wrong"
    assert f"{slow.netloc} is slow since" in then["findings"][0]
    assert time.monotonic() - broken_at < SOON_S
