"""Numbers, spans and instants as people read them."""

import math
import re
from typing import Final

from streams.clock import SECOND_US
from streams.windows.features import VALUES

_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_NOTHING: Final = "–"
_WORDS: Final = {
    "ttft_s": "time to first token",
    "inter_token_s": "time between tokens",
    "queue_s": "wait in the queue",
    "duration_s": "time to the end",
    "error_ratio": "share of errors",
    "stalled_s": "wait for a next byte",
    "stalled_s_max": "longest wait for a next byte",
    "scrape_s": "time to answer a scrape",
    "queued": "number of waiting requests",
    "in_flight": "number of requests in flight",
    "running": "number of requests being processed",
    "waiting": "number of requests waiting in the engine",
    "kv_use_ratio": "use of the KV cache",
    "cpu_ratio": "use of CPU",
    "rss_bytes": "memory",
    "up_min": "answering",
    "up_mean": "answering",
    "arrived": "arrival of requests",
    "finished": "success of requests",
    "failed": "failure of requests",
    "rejected": "refusal of requests",
    "shed": "requests without room",
    "cancelled": "clients giving up",
    "output_tokens": "output of tokens",
    "prompt_tokens": "input of tokens",
    "cached_tokens": "input found in the prefix cache",
    "prefix_hit_ratio": "share of input found in the prefix cache",
    "spec_accept_ratio": "share of speculated tokens that were right",
    "kv_capacity_tokens": "room for tokens in the KV cache",
    "prefill_s": "time to read the prompt",
    "deferred": "requests that more room would not help",
    "preemptions": "requests thrown back",
    "aborted": "requests given up",
    "truncated": "requests at their limit of tokens",
    "truncated_ratio": "share of answers cut at their limit",
    "ends": "answers whose reason to end is known",
    "answers": "answers of known length",
    "answer_tokens": "tokens of whole answers",
    "tokens_per_answer": "length of answers",
    "texts": "answers looked at",
    "empty": "answers without text",
    "empty_ratio": "share of answers without text",
    "stretches": "stretches of answers looked at",
    "repeated": "stretches of answers that repeat themselves",
    "repeated_ratio": "share of answers that repeats itself",
    "corrupted": "requests with NaN in their logits",
    "asleep": "weights put away",
}
_HOW: Final = {
    "mean": "{}",
    "min": "lowest {}",
    "max": "highest {}",
    "p50": "median {}",
    "p95": "{} p95",
    "p99": "{} p99",
}
_NAMES: Final = re.compile(
    r"\b(?:(?:request|engine|gpu)\.)?(?:"
    + "|".join(sorted({one.name for values in VALUES.values() for one in values}, reverse=True))
    + r")\b"
)


def number(value: float | None) -> str:
    """Three digits that matter.

    >>> [number(x) for x in (0, 0.0123, 1.5, 12, 123.4, 45_600, 7_890_000, None)]
    ['0', '0.0123', '1.5', '12', '123', '45.6k', '7.89M', '–']
    """
    if value is None or not math.isfinite(value):
        return _NOTHING
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def span(seconds: float) -> str:
    """A length of time.

    >>> [span(s) for s in (-1e-4, 0.0421, 0.61, 3.2, 59.7, 61, 150, 3600, 9000, 200_000)]
    ['0 ms', '42 ms', '0.61 s', '3.2 s', '60 s', '1 min', '2 min', '1 h', '2 h 30 min', '2 d']
    """
    if seconds < 0.1:
        return f"{max(seconds, 0.0) * 1_000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S:.0f} min"
    if seconds < 24 * _HOUR_S:
        minutes = seconds % _HOUR_S // _MINUTE_S
        return f"{seconds // _HOUR_S:.0f} h" + (f" {minutes:.0f} min" if minutes else "")
    return f"{seconds / (24 * _HOUR_S):.0f} d"


def span_us(micros: float) -> str:
    return span(micros / SECOND_US)


def quantity(value: float | None, unit: str) -> str:
    """A number with its unit.

    >>> quantity(0.42, "s"), quantity(0.031, "ratio"), quantity(512e6, "bytes"), quantity(3, "W")
    ('0.42 s', '3.1 %', '512 MB', '3 W')
    """
    if value is None or not math.isfinite(value):
        return _NOTHING
    match unit:
        case "s":
            return span(value)
        case "ratio":
            return f"{value * 100:.2g} %"
        case "bytes":
            return f"{value / 1e6:.0f} MB" if value < 1e9 else f"{value / 1e9:.3g} GB"
        case _:
            return f"{number(value)} {unit}"


def count(how_many: int, one: str, many: str = "") -> str:
    """How many of what.

    >>> count(1, "replica"), count(3, "replica"), count(0, "query", "queries")
    ('1 replica', '3 replicas', '0 queries')
    """
    return f"{how_many} {one if how_many == 1 else many or one + 's'}"


def feature(name: str) -> str:
    """A value's name in the catalogue as words.

    >>> feature("engine.inter_token_s_p95"), feature("request.error_ratio"), feature("queued_max")
    ('time between tokens p95', 'share of errors', 'highest number of waiting requests')
    """
    bare = name.rpartition(".")[2]
    if bare in _WORDS:
        return _WORDS[bare]
    stem, _, how = bare.removesuffix("_per_s").rpartition("_")
    if bare.endswith("_per_s") or how not in _HOW:
        stem, how = bare.removesuffix("_per_s"), ""
    words = _WORDS.get(stem, stem.replace("_", " "))
    return _HOW.get(how, "{}").format(words)


def humane(sentence: str) -> str:
    """A sentence of a detector or planner with the catalogue's names as words.

    >>> humane("codex-1: stalled_s_max is 5.14 s, expected at most 4 s")
    'codex-1: longest wait for a next byte is 5.14 s, expected at most 4 s'
    """
    return _NAMES.sub(lambda found: feature(found[0]), sentence)
