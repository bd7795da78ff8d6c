"""Server metrics as arrays: `train` to learn from, `test` to be judged on, `label` of its rows."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.labelled import Labelled, runs


def reader(*, step_s: float) -> Callable[[Path, Path, str], Labelled]:
    """Of files whose rows lie ``step_s`` apart; they carry no times."""

    def read(_: Path, path: Path, name: str) -> Labelled:
        if not zipfile.is_zipfile(path):
            raise ValueError("must be arrays in a .npz file, and is no such file")
        with np.load(path, allow_pickle=False) as arrays:
            train, test, label = (arrays[key] for key in ("train", "test", "label"))
        _check(train, test, label)
        values: Floats = np.concatenate([train, test]).astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        marks = np.concatenate([np.zeros(len(train), np.bool_), label == 1])
        return Labelled(
            name=name,
            times=np.arange(len(values), dtype=np.float64) * step_s,
            step_s=step_s,
            values=values,
            begin=len(train),
            trained=len(train),
            windows=runs(marks),
        )

    return read


def _check(train: Floats, test: Floats, label: Floats) -> None:
    shapes = f"{train.shape}, {test.shape} and {label.shape}"
    matching = train.ndim == test.ndim == 2 and train.shape[1:] == test.shape[1:]
    if not (matching and label.shape == test.shape[:1] and len(test) and test.shape[1]):
        raise ValueError(
            "train, test and label must be [rows, columns], [rows, columns] and [rows], "
            f"got {shapes}"
        )
    if not np.isin(label, (0, 1)).all():
        raise ValueError("label must be 0 or 1 in every row")
