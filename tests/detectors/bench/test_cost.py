from itertools import count

import numpy as np

from detectors.bench.cost import BLOCKS, cost, many_series
from detectors.bench.ours import JUDGE
from tests.detectors.bench.labelled import labelled


def test_cost_counts_the_second_half_of_the_windows() -> None:
    ticks = count()
    found = cost(JUDGE, np.zeros((40, 3)), lambda: float(next(ticks)), seed=0)
    # A second for each block of two windows of three series.
    assert (found.us, found.lowest, found.highest) == (1e6 / 6, 1e6 / 6, 1e6 / 6)
    assert next(ticks) == 2 * BLOCKS


def test_many_series_are_drawn_from_the_files() -> None:
    values = np.arange(900.0)[:, None]
    drawn = many_series([labelled(values=values)], series=5, windows=20, seed=0)
    assert drawn.shape == (20, 5)
    assert set(np.diff(drawn, axis=0).ravel()) <= {1.0, -899.0}
