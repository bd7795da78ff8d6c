"""Sources of telemetry that the agent reads each second, by name.

To add one: write it in a file of its own here, add a line below, run ``make check``.
``scrape`` reads pages of engines and of GPUs by a timetable of its own, what ``aim`` tells it to:
``discovery`` finds them, ``asking`` fetches them, ``target_meter`` understands them, by
``page_reader``, ``engines`` and ``meter``, and by ``dcgm``. ``agent`` runs all of it. ``gpu_*`` is
what sources of GPUs share.
"""

from collections.abc import Callable, Mapping
from typing import Final

from streams.sources.amd import AmdSource
from streams.sources.base import Source
from streams.sources.nvml import NvmlSource
from streams.sources.process import ProcessSource

SOURCES: Final[Mapping[str, Callable[[str, str], Source]]] = {
    "amd": lambda cluster, node: AmdSource(cluster=cluster, node=node),
    "nvml": lambda cluster, node: NvmlSource(cluster=cluster, node=node),
    "process": lambda _cluster, node: ProcessSource(node=node),
}
"""Made from the names of the cluster and of this node."""
