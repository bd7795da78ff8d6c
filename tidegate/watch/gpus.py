"""What the view was fed about GPUs in, plain words about all of them together out. Pure."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from autoscaler.api.series_store import MAX_SERIES
from autoscaler.api.view import View
from tidegate.watch.understood import counted

_PRESENT: Final = "xid_max"
"""Every window of a GPU has it."""
_GB: Final = 1e-9


class Gpus(NamedTuple):
    """present: GPUs heard of lately, instances of them not counted; said: how they are."""

    present: int
    said: str

    def missing(self, expected: int) -> str:
        """Empty where all are heard of, or more than the view can hold."""
        if self.present >= min(expected, MAX_SERIES):
            return ""
        return f"only {self.present} of {counted(expected, 'GPU')} can be read"


def gpus_in(view: View, fresh_us: int) -> Gpus:
    """`8 GPUs on 2 nodes: 63 % busy, 336 of 640 GB in use, 71 °C at most`."""
    present = _newest(view, _PRESENT, fresh_us)
    if not present:
        return Gpus(0, "")
    said = []
    if busy := _newest(view, "util_ratio_mean", fresh_us):
        said.append(f"{100 * sum(busy.values()) / len(busy):.0f} % busy")
    used = _newest(view, "memory_used_bytes_mean", fresh_us)
    total = _newest(view, "memory_total_bytes_mean", fresh_us)
    if known := used.keys() & total.keys():
        both = (sum(of[gpu] for gpu in known) * _GB for of in (used, total))
        said.append("{:.0f} of {:.0f} GB in use".format(*both))
    if hot := _newest(view, "temperature_c_max", fresh_us):
        said.append(f"{max(hot.values()):.0f} °C at most")
    nodes = len({node for node, _ in present})
    where = f"{counted(len(present), 'GPU')} on {counted(nodes, 'node')}"
    return Gpus(len(present), f"{where}: {', '.join(said)}" if said else where)


def _newest(view: View, value: str, fresh_us: int) -> Mapping[tuple[str, str], float]:
    """By node and GPU, of whole ones."""
    found = {}
    for line in view.series("gpu", value, None, fresh_us):
        seen = line.values[np.isfinite(line.values)]
        if seen.size and not line.labels.get("parent_uuid"):
            found[line.labels.get("node", ""), line.labels.get("gpu_uuid", "")] = float(seen[-1])
    return found
