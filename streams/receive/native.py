"""A native histogram of Prometheus, as remote write has it, in; a histogram of ours out: pure."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from streams.receive.histograms import Histogram, Unfit, kept


def native(message: Any) -> Histogram | Unfit:
    """One histogram of ours from one of Prometheus'."""
    counts = message.positive_counts or accumulate(message.positive_deltas)
    negative = sum(message.negative_counts) + sum(accumulate(message.negative_deltas))
    places = zip(_places(message.positive_spans), counts, strict=False)
    return kept(
        Histogram(
            counts={place: float(count) for place, count in places if count},
            sum=message.sum,
            scale=message.schema,
            bounds=tuple(message.custom_values),
            below=message.zero_count_int + message.zero_count_float + negative,
            least=message.zero_threshold,
        )
    )


def _places(spans: Iterable[Any]) -> Iterator[int]:
    at = 0
    for span in spans:
        at += span.offset
        yield from range(at, at + span.length)
        at += span.length
