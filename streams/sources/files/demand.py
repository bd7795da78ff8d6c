"""Traces as numpy arrays (`.npz`) in, rows out: single requests, or sums by the second.

Sums are taken apart the plainest way: requests evenly inside their second, tokens evenly over the
requests of their ten seconds.
"""

import heapq
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from streams.errors import InvalidParameterError
from streams.sources.files.row import Row

Arrays = Mapping[str, Any]

TOKENS_S: Final = 10


def read_arrays(path: Path) -> Iterator[Row]:
    """Raises InvalidParameterError for arrays that we do not know."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as exc:
        raise InvalidParameterError("FILE", path.name, f"an .npz file ({exc})") from exc
    for reader, needs in _READERS:
        if needs <= arrays.keys():
            return reader(arrays)
    known = " or ".join(f"({', '.join(sorted(needs))})" for _, needs in _READERS)
    raise InvalidParameterError("arrays", ", ".join(sorted(arrays)), known)


def _requests(arrays: Arrays) -> Iterator[Row]:
    columns = (arrays[name].tolist() for name in ("t", "in_tok", "out_tok"))
    for line, (at_s, prompt, output) in enumerate(zip(*columns, strict=True), 1):
        yield Row(line=line, at_s=at_s, prompt_tokens=prompt, output_tokens=output)


def _sums(arrays: Arrays) -> Iterator[Row]:
    counts, line = arrays["n_1s"], 0
    for tens in range(-(-counts.size // TOKENS_S)):
        here = counts[tens * TOKENS_S : (tens + 1) * TOKENS_S].tolist()
        total = sum(here)
        shares = [_shares(int(arrays[name][tens]), total) for name in ("in_tok_10s", "out_tok_10s")]
        for second, count in enumerate(here, tens * TOKENS_S):
            for at_s in _spread(second, count):
                line += 1
                prompt, output = (next(share) for share in shares)
                yield Row(line=line, at_s=at_s, prompt_tokens=prompt, output_tokens=output)


def _tenants(arrays: Arrays) -> Iterator[Row]:
    starts = arrays["offset"].tolist()[: arrays["mean_in"].size]
    ends = [*starts[1:], arrays["dsec"].size]
    found = (_tenant(arrays, *each) for each in enumerate(zip(starts, ends, strict=True)))
    return heapq.merge(*found, key=lambda row: row.at_s)


def _tenant(arrays: Arrays, number: int, span: tuple[int, int]) -> Iterator[Row]:
    part = slice(*span)
    seconds = np.cumsum(arrays["dsec"][part], dtype=np.int64).tolist()
    counts = arrays["count"][part].tolist()
    for line, (second, count) in enumerate(zip(seconds, counts, strict=True), span[0]):
        for at_s in _spread(second, count):
            yield Row(
                line=line,
                at_s=at_s,
                prompt_tokens=round(float(arrays["mean_in"][number])),
                output_tokens=round(float(arrays["mean_out"][number])),
                model=str(arrays["model"][number]),
                tenant=f"tenant-{number}",
            )


def _spread(second: int, count: int) -> Iterator[float]:
    return (second + (place + 0.5) / count for place in range(count))


def _shares(total: int, count: int) -> Iterator[int]:
    """``count`` whole numbers whose sum is ``total``.

    >>> list(_shares(10, 4))
    [2, 3, 2, 3]
    """
    return (total * (n + 1) // count - total * n // count for n in range(count))


_READERS: Final = (
    (_requests, {"t", "in_tok", "out_tok"}),
    (_sums, {"n_1s", "in_tok_10s", "out_tok_10s"}),
    (_tenants, {"dsec", "count", "offset", "mean_in", "mean_out", "model"}),
)
