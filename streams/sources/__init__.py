"""Sources of telemetry that the agent reads each second, by name.

To add one: write it in a file of its own here, add a line below, run ``make check``.
``engines`` and ``prometheus_text`` are what ``scrape`` thinks with, ``agent`` runs them all.
"""

from collections.abc import Callable, Mapping
from typing import Final

from streams.sources.base import Source
from streams.sources.nvml import NvmlSource
from streams.sources.process import ProcessSource
from streams.sources.scrape import ScrapeSource

SOURCES: Final[Mapping[str, Callable[[str, str], Source]]] = {
    "nvml": lambda cluster, node: NvmlSource(cluster=cluster, node=node),
    "process": lambda _cluster, node: ProcessSource(node=node),
    "scrape": lambda _cluster, _node: ScrapeSource(),
}
"""Made from the names of the cluster and of this node."""
