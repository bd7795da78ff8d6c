"""Pages read by memory, and what makes a reader look again."""

import pytest

from streams.sources.page_reader import RELOOK, PageReader, SeriesBook

WANTED = frozenset({"a", "b_total"})
PAGE = b'# HELP a x\na{x="1"} %d\nother 5\nb_total %d\n'


def reader(book: SeriesBook | None = None) -> PageReader:
    return PageReader(WANTED, SeriesBook() if book is None else book)


def read(one: PageReader, text: bytes) -> dict[str, float]:
    page = one.read(text)
    return {s.key.decode(): v for s, v in zip(page.series, page.values, strict=True)}


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param(PAGE % (3, 4), {'a{x="1"}': 3, "b_total": 4}, id="other-numbers"),
        pytest.param(b"new 1\n" + PAGE % (3, 4), {'a{x="1"}': 3, "b_total": 4}, id="a-line-more"),
        pytest.param(b'#\na{x="2"} 3\n\n\n', {'a{x="2"}': 3}, id="another-label"),
        pytest.param(
            b'#\na{x="2"} 3\nother 5\nb_total 4\n', {'a{x="2"}': 3, "b_total": 4}, id="its-twin"
        ),
        pytest.param(b"#\nother 5\na 3\nb_total 4\n", {"a": 3, "b_total": 4}, id="another-order"),
        pytest.param(PAGE.replace(b"%d\no", b"x\no") % 4, {"b_total": 4}, id="a-broken-value"),
        pytest.param(b"", {}, id="nothing"),
    ],
)
def test_a_page_after_another_is_read_as_if_alone(
    second: bytes, expected: dict[str, float]
) -> None:
    one = reader()
    one.read(PAGE % (1, 2))

    assert read(one, second) == expected == read(reader(), second)


def test_the_layout_stays_the_same_object_while_the_page_does() -> None:
    one = reader()

    assert one.read(PAGE % (1, 2)).series is one.read(PAGE % (3, 4)).series


def test_replicas_share_their_series() -> None:
    book = SeriesBook()

    pages = [reader(book).read(PAGE % (1, 2)) for _ in range(2)]

    assert all(x is y for x, y in zip(pages[0].series, pages[1].series, strict=True))


def test_what_took_the_place_of_an_unwanted_line_is_found_in_the_end() -> None:
    one = reader()
    one.read(PAGE % (1, 2))
    page = (PAGE % (1, 2)).replace(b"other 5", b'a{x="9"} 5')

    found = [len(one.read(page).values) for _ in range(RELOOK + 1)]

    assert (found[0], found[-1]) == (2, 3)


def test_flaws_are_counted_on_every_page() -> None:
    one, page = reader(), b"a 1\na 2\na{ 3\nb_total 1 1700000000000\n"

    counts = [one.read(page) for _ in range(3)]

    assert {(p.broken, p.repeated, p.timestamped) for p in counts} == {(1, 1, 1)}
