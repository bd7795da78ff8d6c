"""Lines of configuration, and the one list that comes of many."""

import pytest

from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.sources.aim import Aim
from streams.sources.discovery import discovery
from streams.sources.rhythm import Rhythm, next_due, rhythm_for
from streams.sources.settings import ScrapeSettings
from streams.sources.targets import MAX_TARGETS, Target, labels_of, merged, target


def one(replica: str, url: str = "", pool: str = "chat") -> Target:
    return Target(url=url or f"http://{replica}/metrics", pool=pool, replica=replica)


def test_a_target_is_named_after_its_host_until_told_otherwise() -> None:
    found = [
        target("http://10.0.0.7:8000", {}, "here"),
        target("https://m/prometheus/metrics?x=1", labels_of(["pool=p", "replica=r"]), "here"),
    ]

    assert found == [
        Target(url="http://10.0.0.7:8000/metrics", replica="10.0.0.7:8000", cluster="here"),
        Target(url="https://m/prometheus/metrics?x=1", pool="p", replica="r", cluster="here"),
    ]


@pytest.mark.parametrize(
    "line",
    ["", "vllm-0:8000", "ftp://x", "http://", "http://x pool", "http://x color=red",
     "kubernetes://default", "dns+http://"],
)  # fmt: skip
def test_a_line_that_means_nothing_says_so_at_the_start(line: str) -> None:
    with pytest.raises(InvalidParameterError):
        discovery(line, "local", ScrapeSettings())


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("http://vllm-0:8000 pool=chat", "static"),
        ("dns+https://vllm.default.svc:8000", "dns"),
        ("srv+http://_http._tcp.vllm.default.svc", "srv"),
        ("kubernetes://*?app=vllm", "kubernetes"),
        ("file:///etc/targets.json pool=chat", "file"),
    ],
)
def test_a_line_each(line: str, kind: str) -> None:
    assert discovery(line, "local", ScrapeSettings()).kind == kind


def test_a_page_is_read_once_and_the_earlier_list_names_it() -> None:
    found = merged([[one("a", "http://x/m")], [one("b", "http://x/m"), one("c")]])

    assert [t.replica for t in found.targets.values()] == ["a", "c"]
    assert found.dropped == 0


def test_another_page_of_a_known_replica_is_dropped_and_counted() -> None:
    found = merged([[one("a"), one("a", "http://other/m")]])

    assert (len(found.targets), found.dropped) == (1, 1)


def test_no_more_than_so_many() -> None:
    found = merged([[one(str(number)) for number in range(MAX_TARGETS + 7)]])

    assert (len(found.targets), found.dropped) == (MAX_TARGETS, 7)


def test_only_changes_are_told() -> None:
    told: list[list[str]] = []
    aim = Aim([], lambda targets: told.append([t.replica for t in targets]))

    for targets in ([one("a")], [one("a")], [one("a"), one("b")], []):
        aim.own(targets)

    assert told == [["a"], ["a", "b"], []]


def instants(rhythm: Rhythm, key: str, seconds: int) -> list[tuple[int, bool]]:
    found, now = [], 0
    while now < seconds * SECOND_US:
        due = next_due(rhythm, key, now)
        now = due.at_us
        found.append((now, due.full))
    return found


def test_a_target_is_due_once_in_each_interval_and_in_full_every_so_often() -> None:
    found = instants(Rhythm(2 * SECOND_US, 5), "a", 100)

    assert [at // (2 * SECOND_US) for at, _ in found] == list(range(len(found)))
    assert [full for _, full in found].index(True) < 5
    assert sum(full for _, full in found[:50]) == 10


def test_targets_are_spread_evenly_over_time() -> None:
    rhythm = rhythm_for(1000, signals_every_s=1, full_every_s=1, pages_per_s=500)
    due = [next_due(rhythm, f"local/chat/replica-{n}", 0) for n in range(1000)]

    tenths = [sum(each.at_us // 200_000 == part for each in due) for part in range(10)]
    assert max(tenths) < 140
    assert 150 < sum(each.full for each in due) < 250
