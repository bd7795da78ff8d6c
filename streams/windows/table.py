"""Columns of (window, series) rows: what a delta holds, what a window holds, one shape for both."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sparse:
    """A histogram per row, as (row, bucket, count) triples sorted by row and bucket."""

    row: Ints
    bucket: Ints
    count: Ints


@dataclass(frozen=True, slots=True)
class Table:
    """n rows of one series kind, sorted by (window_us, series), each pair once.

    ints: column name -> int64[n], fixed-point with the scale of the feature catalogue:
        COUNT and SUM features have one column of their own name; GAUGE and HISTOGRAM features have
        ``.n``, ``.sum``, ``.min``, ``.max``. Where ``.n`` is 0, ``.min`` and ``.max`` hold the
        neutral elements INT64_MAX and INT64_MIN.
    sparse: HISTOGRAM feature name -> its buckets (``streams.windows.histogram``).
    labels: series -> labels, at least for every series in the table.
    """

    kind: str
    window_us: Ints
    series: Ints
    ints: Mapping[str, Ints]
    sparse: Mapping[str, Sparse] = field(default_factory=dict)
    labels: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.window_us.size)
