"""Exposition text, whole and broken."""

import math

from hypothesis import given
from hypothesis import strategies as st

from streams.sources import prometheus_text
from streams.sources.prometheus_text import Sample, parse


def names(text: bytes, *wanted: str) -> list[str]:
    return [sample.name for sample in parse(text, wanted=wanted or ("",)).samples]


def test_labels_keep_their_commas_braces_and_quotes() -> None:
    page = parse(rb'a{x="1,}2",y="say \"hi\""} 4')

    assert page.samples == (Sample("a", {"x": "1,}2", "y": 'say "hi"'}, 4.0),)


def test_comments_empty_lines_and_what_nobody_wants_are_left_out() -> None:
    assert names(b"# HELP a b\n# TYPE a gauge\n\na 1\r\nb 2\n", "a") == ["a"]


def test_a_broken_line_is_counted_and_the_next_one_is_read() -> None:
    page = parse(b'a{x="1\nb{} two\nc 3\n')

    assert ([sample.name for sample in page.samples], page.broken) == (["c"], 2)


def test_values_may_be_infinite_or_no_number() -> None:
    values = [sample.value for sample in parse(b"a +Inf\nb NaN\n").samples]

    assert values[0] == math.inf
    assert math.isnan(values[1])


def test_a_text_without_end_is_cut_and_says_so() -> None:
    lines = (b'a{x="%d"} 1' % number for number in range(prometheus_text.MAX_SAMPLES + 1))
    page = parse(b"\n".join(lines))

    assert (len(page.samples), page.cut) == (prometheus_text.MAX_SAMPLES, True)


def test_a_series_that_comes_again_counts_once() -> None:
    page = parse(b'a{x="1"} 1\na{x="1"} 2\na{x="2"} 3\n')

    assert ([sample.value for sample in page.samples], page.repeated) == ([1, 3], 1)


def test_instants_of_their_own_are_counted_and_not_looked_at() -> None:
    page = parse(b"a 1 1700000000000\nb 2\n")

    assert ([sample.value for sample in page.samples], page.timestamped) == ([1, 2], 1)


def test_exemplars_are_left_out() -> None:
    page = parse(b'a_bucket{le="1"} 3 # {trace_id="x"} 0.67\n')

    assert [(s.value, s.labels) for s in page.samples] == [(3, {"le": "1"})]


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(text: bytes) -> None:
    page = parse(text)

    assert page.broken >= 0
