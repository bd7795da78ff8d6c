"""Each scenario takes minutes of traffic through the whole chain: not in the inner loop.

Nor is it traced for coverage, which takes two thirds as long again and has unit tests to count.
"""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.no_cover)
