"""Pages are typed word by word, with all the waiting of those who type: not in the inner loop."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem != "test_pages":
            item.add_marker(pytest.mark.slow)
