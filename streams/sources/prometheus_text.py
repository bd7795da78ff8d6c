"""Exposition text in, samples out; what cannot be read is counted and skipped."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_BYTES: Final = 8 * 1024 * 1024
"""Longer texts are cut here: an exporter gone wild must not fill our memory."""
MAX_SAMPLES: Final = 20_000
MAX_LINE: Final = 16_384
"""Longer lines are broken ones."""

_LABEL: Final = re.compile(rb'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|(?=\}))')
_NAME: Final = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*")
_ESCAPED: Final = re.compile(r"\\(.)")
_ESCAPES: Final = {"n": "\n"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of exposition text."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Exposition:
    """What a text held. broken: lines that were no samples; cut: there was more than we read.

    repeated: lines of a series that had stood before, left out. timestamped: lines with an instant
    of their own, which is not looked at.
    """

    samples: tuple[Sample, ...]
    broken: int = 0
    cut: bool = False
    repeated: int = 0
    timestamped: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line, taken apart. key: everything before the value, which names the series."""

    key: bytes
    name: str
    labels: Mapping[str, str]
    value: float
    timestamped: bool


def parse(text: bytes, *, wanted: tuple[str, ...] = ("",)) -> Exposition:
    r"""Samples whose names begin with one of ``wanted``; exemplars are ignored.

    >>> parse(b'up{job="a b"} 1\nnonsense{\nother 2\n', wanted=("up", "non")).samples
    (Sample(name='up', labels={'job': 'a b'}, value=1.0),)
    """
    samples: dict[bytes, Sample] = {}
    broken = repeated = timestamped = 0
    cut = len(text) > MAX_BYTES
    for raw in wanted_lines(text, tuple(name.encode() for name in wanted)):
        if len(samples) >= MAX_SAMPLES:
            cut = True
            break
        line = read_line(raw)
        if line is None:
            broken += 1
        elif line.key in samples:
            repeated += 1
        else:
            samples[line.key] = Sample(line.name, line.labels, line.value)
            timestamped += line.timestamped
    return Exposition(tuple(samples.values()), broken, cut, repeated, timestamped)


def names_on(text: bytes) -> set[str]:
    r"""What its lines begin with, samples or not.

    >>> names_on(b'# HELP up x\nup{job="a"} 1\n')
    {'up'}
    """
    lines = wanted_lines(text, (b"",))
    return {name[0].decode() for line in lines if (name := _NAME.match(line))}


def wanted_lines(text: bytes, wanted: tuple[bytes, ...]) -> Sequence[bytes]:
    """Lines that begin with one of ``wanted`` and are no comments."""
    lines = text[:MAX_BYTES].split(b"\n")
    return [line for line in lines if line.startswith(wanted) and line.strip()[:1] not in b"#"]


def read_line(raw: bytes) -> Line | None:
    r"""One line taken apart, or None for what is no sample.

    >>> read_line(rb'a{x="1,}2"} 4 1700000000000')
    Line(key=b'a{x="1,}2"}', name='a', labels={'x': '1,}2'}, value=4.0, timestamped=True)
    """
    name = _NAME.match(raw)
    if name is None or len(raw) > MAX_LINE:
        return None
    labels, end = _labels(raw, name.end())
    rest = raw[end:].split(b" # ")[0].split()
    if labels is None or not 1 <= len(rest) <= 2 or raw[end : end + 1] not in b" \t":
        return None
    try:
        value = float(rest[0])
    except ValueError:
        return None
    return Line(raw[:end], name[0].decode(), labels, value, len(rest) > 1)


def _labels(raw: bytes, at: int) -> tuple[dict[str, str] | None, int]:
    """Labels from the brace at ``at`` on, if there is one, and where they end."""
    if raw[at : at + 1] != b"{":
        return {}, at
    labels: dict[str, str] = {}
    at += 1
    while (pair := _LABEL.match(raw, at)) is not None:
        labels[pair[1].decode()] = _unescaped(pair[2].decode("utf-8", "replace"))
        at = pair.end()
    closed = raw[at:].lstrip()[:1] == b"}"
    return (labels, raw.index(b"}", at) + 1) if closed else (None, at)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda m: _ESCAPES.get(m[1], m[1]), text) if "\\" in text else text
