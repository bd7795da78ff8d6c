import numpy as np

from autoscaler.api.series_store import SeriesStore
from streams.clock import SECOND_US

LABELS = {"pool": "codex"}


def store_of(seconds: list[int], span_s: int = 10) -> SeriesStore:
    store = SeriesStore(span_s=span_s, max_series=3)
    for second in seconds:
        store.put("engine", 1, LABELS, second * SECOND_US, {"up_min": float(second)})
    return store


def seconds_of(store: SeriesStore) -> list[int]:
    return [at_us // SECOND_US for at_us in store.lines("engine", "up_min")[0].at_us.tolist()]


def test_points_come_in_order_of_time() -> None:
    assert seconds_of(store_of([3, 1, 2])) == [1, 2, 3]


def test_what_is_older_than_the_span_is_gone() -> None:
    assert seconds_of(store_of(list(range(25)))) == list(range(15, 25))


def test_a_series_that_paused_shows_no_old_points() -> None:
    assert seconds_of(store_of([1, 2, 13])) == [13]


def test_a_replayed_window_does_not_overwrite_a_newer_one() -> None:
    assert seconds_of(store_of([12, 2])) == [12]


def test_the_same_window_again_replaces_it() -> None:
    store = store_of([1])
    store.put("engine", 1, LABELS, SECOND_US, {"scrape_s_mean": 0.5})

    assert np.isnan(store.lines("engine", "up_min")[0].values).all()


def test_a_value_never_seen_makes_no_line() -> None:
    store = store_of([])
    store.put("engine", 1, LABELS, 0, {"up_min": float("nan")})

    assert store.lines("engine", "up_min") == []


def test_the_stalest_series_goes_when_there_are_too_many() -> None:
    store = SeriesStore(max_series=2)
    for series, second in ((1, 5), (2, 3), (3, 4)):
        store.put("gpu", series, {"gpu_uuid": str(series)}, second * SECOND_US, {"power_w": 1.0})

    uuids = {line.labels["gpu_uuid"] for line in store.lines("gpu", "power_w")}
    assert (uuids, store.evicted) == ({"1", "3"}, 1)
