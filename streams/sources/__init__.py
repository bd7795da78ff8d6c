"""Sources of telemetry that the agent reads each second, by name.

To add one: write it in a file of its own here, add a line below, run ``make check``.
``engines`` and ``prometheus_text`` are what ``scrape`` thinks with, ``gpu_*`` what those of GPUs
share, ``dcgm`` reads pages of GPUs that another fetches, ``agent`` runs them all.
"""

from collections.abc import Callable, Mapping
from typing import Final

from streams.sources.amd import AmdSource
from streams.sources.base import Source
from streams.sources.nvml import NvmlSource
from streams.sources.process import ProcessSource
from streams.sources.scrape import ScrapeSource

SOURCES: Final[Mapping[str, Callable[[str, str], Source]]] = {
    "amd": lambda cluster, node: AmdSource(cluster=cluster, node=node),
    "nvml": lambda cluster, node: NvmlSource(cluster=cluster, node=node),
    "process": lambda _cluster, node: ProcessSource(node=node),
    "scrape": lambda _cluster, _node: ScrapeSource(),
}
"""Made from the names of the cluster and of this node."""
