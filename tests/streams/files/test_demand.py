"""Arrays of requests and of their sums become rows again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.errors import InvalidParameterError
from streams.sources.files.demand import read_arrays
from streams.sources.files.row import Row


def rows_of(folder: Path, **arrays: Any) -> list[Row]:
    made: dict[str, Any] = {name: np.array(values) for name, values in arrays.items()}
    np.savez(folder / "a.npz", **made)
    return list(read_arrays(folder / "a.npz"))


def test_single_requests(tmp_path: Path) -> None:
    assert rows_of(tmp_path, t=[0.5, 2.0], in_tok=[3, 4], out_tok=[5, 6], meta="x") == [
        Row(line=1, at_s=0.5, prompt_tokens=3, output_tokens=5),
        Row(line=2, at_s=2.0, prompt_tokens=4, output_tokens=6),
    ]


def test_sums_by_the_second_keep_their_sums(tmp_path: Path) -> None:
    counts = [0, 2, *[0] * 9, 1]
    rows = rows_of(tmp_path, n_1s=counts, in_tok_10s=[11, 5], out_tok_10s=[3, 0])

    assert [row.at_s for row in rows] == [1.25, 1.75, 11.5]
    assert [row.prompt_tokens for row in rows] == [5, 6, 5]
    assert [row.output_tokens for row in rows] == [1, 2, 0]


def test_tenants_are_merged_by_time(tmp_path: Path) -> None:
    tenants = {"mean_in": [10.2, 20], "mean_out": [1, 2], "model": ["a", "b"]}
    rows = rows_of(tmp_path, dsec=[5, 2, 6], count=[1, 1, 2], offset=[0, 2, 3], **tenants)

    assert [(row.at_s, row.tenant, row.model, row.prompt_tokens) for row in rows] == [
        (5.5, "tenant-0", "a", 10),
        (6.25, "tenant-1", "b", 20),
        (6.75, "tenant-1", "b", 20),
        (7.5, "tenant-0", "a", 10),
    ]


def test_other_arrays_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="got 'x, y'"):
        rows_of(tmp_path, x=[1], y=[2])
    (tmp_path / "b.npz").write_text("moon")
    with pytest.raises(InvalidParameterError, match=r"must be an \.npz file"):
        read_arrays(tmp_path / "b.npz")
