"""What a Prometheus stored, taken apart into the pages it had scraped."""

from streams.sources.prometheus_series import (
    Page,
    Series,
    TargetKey,
    every_us,
    newest_us,
    pages,
)
from streams.sources.prometheus_text import Sample

S = 1_000_000


def series(name: str, instance: str, *points: tuple[int, float], **labels: str) -> Series:
    all_labels = {"__name__": name, "job": "vllm", "instance": instance, **labels}
    return Series(all_labels, [(at * S, value) for at, value in points])


def test_samples_of_one_scrape_are_one_page() -> None:
    found = list(
        pages([
            series("vllm:num_requests_running", "a:1", (10, 3.0), (25, 4.0)),
            series("vllm:num_requests_waiting", "a:1", (10, 0.0)),
            series("scrape_duration_seconds", "a:1", (10, 0.25), (25, 0.5)),
        ])
    )  # fmt: skip
    assert [(page.at_us, len(page.samples), page.scrape_s) for page in found] == [
        (10 * S, 2, 0.25),
        (25 * S, 1, 0.5),
    ]


def test_targets_come_in_the_order_of_their_scrapes() -> None:
    found = pages([
        series("vllm:num_requests_running", "b:1", (11, 1.0), (26, 1.0)),
        series("vllm:num_requests_running", "a:1", (12, 1.0)),
    ])  # fmt: skip
    assert [page.target.instance for page in found] == ["b:1", "a:1", "b:1"]


def test_a_scrape_that_failed_is_a_page_of_silence() -> None:
    (page,) = pages([series("up", "a:1", (10, 0.0)), series("up", "b:1", (10, 1.0))])
    assert page == Page(10 * S, TargetKey("", "vllm", "a:1"), (), up=False, scrape_s=0.0)


def test_series_of_ranks_and_models_stay_apart_on_their_page() -> None:
    (page,) = pages([
        series("sglang:num_running_reqs", "a:1", (10, 3.0), tp_rank="0"),
        series("sglang:num_running_reqs", "a:1", (10, 3.0), tp_rank="1"),
    ])  # fmt: skip
    assert [sample.labels["tp_rank"] for sample in page.samples] == ["0", "1"]
    assert all(isinstance(sample, Sample) for sample in page.samples)


def test_how_often_it_scrapes_is_the_usual_gap() -> None:
    scraped = [
        series("x", "a:1", (0, 1), (15, 1), (30, 1), (300, 1)),
        series("x", "b:1", (7, 1), (22, 1)),
        series("x", "c:1", (9, 1)),
    ]
    assert (every_us(scraped), newest_us(scraped)) == (15 * S, 300 * S)


def test_of_single_samples_nobody_knows_how_often() -> None:
    assert every_us([series("x", "a:1", (9, 1))]) is None
