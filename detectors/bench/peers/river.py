"""River's models, as its documentation has them used."""

from typing import Any

import numpy as np
from river import anomaly, compose, preprocessing

from detectors.banks.base import Floats


def half_space_trees(values: Floats, seed: int) -> Floats:
    """Each column scaled by its least and greatest value so far."""
    trees: Any = anomaly.HalfSpaceTrees(seed=seed)
    model: Any = compose.Pipeline(preprocessing.MinMaxScaler(), trees)
    found = np.zeros(len(values))
    for at, row in enumerate(values.tolist()):
        features = dict(enumerate(row))
        found[at] = model.score_one(features)
        model.learn_one(features)
    return found


def standard_absolute_deviation(values: Floats, _: int) -> Floats:
    """One model for each column; the root mean square of their scores."""
    found = np.zeros(values.shape)
    for column, series in enumerate(values.T.tolist()):
        model: Any = anomaly.StandardAbsoluteDeviation()
        for at, value in enumerate(series):
            found[at, column] = model.score_one(None, value) if at else 0.0
            model.learn_one(None, value)
    return np.asarray(np.sqrt(np.mean(np.nan_to_num(found) ** 2, axis=1)), np.float64)
