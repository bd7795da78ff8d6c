"""Exposition text in, samples out; what cannot be read is counted and skipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

MAX_BYTES: Final = 8 * 1024 * 1024
"""Longer texts are cut here: an exporter gone wild must not fill our memory."""
MAX_SAMPLES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of exposition text."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Exposition:
    """What a text held. broken: lines that were no samples; cut: there was more than we read."""

    samples: tuple[Sample, ...]
    broken: int = 0
    cut: bool = False


def parse(text: bytes, *, wanted: tuple[str, ...] = ("",)) -> Exposition:
    r"""Samples whose names begin with one of ``wanted``; timestamps and exemplars are ignored.

    >>> parse(b'up{job="a b"} 1\nnonsense{\nother 2\n', wanted=("up", "non"))
    Exposition(samples=(Sample(name='up', labels={'job': 'a b'}, value=1.0),), broken=1, cut=False)
    """
    cut = len(text) > MAX_BYTES
    samples: list[Sample] = []
    broken = 0
    for line in text[:MAX_BYTES].decode("utf-8", "replace").split("\n"):
        # Checked before parsing: an engine's page has hundreds of lines, we need a few.
        if not line.startswith(wanted) or line.startswith("#") or not line.strip():
            continue
        if len(samples) >= MAX_SAMPLES:
            return Exposition(tuple(samples), broken, cut=True)
        found = _parse_line(line)
        broken += not found
        samples += found
    return Exposition(tuple(samples), broken, cut)


def _parse_line(line: str) -> list[Sample]:
    # One at a time: the parser gives up on a whole page for one bad line.
    try:
        return [
            Sample(sample.name, sample.labels, float(sample.value))
            for family in text_string_to_metric_families(line)
            for sample in family.samples
        ]
    except (ValueError, KeyError, IndexError, TypeError):
        return []
