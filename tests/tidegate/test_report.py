import json
from typing import Any

import numpy as np
import pytest

from streams.batch import Message
from streams.clock import SECOND_US, ManualClock
from streams.codec import BlockHeader, encode_block, encode_record
from streams.schemas.scaling import Decision, PoolStatus
from streams.schemas.system import Quality
from tidegate.demo.load import Tally
from tidegate.demo.story import Story
from tidegate.observer import Observer
from tidegate.report import Run, build


def pool(ready: int, at_s: int) -> PoolStatus:
    return PoolStatus(
        pool="codex", service="codex", model="m", at_us=at_s * SECOND_US, desired=ready, ready=ready
    )


def decision(desired: int, at_s: int, current: int = 2) -> Decision:
    return Decision(
        id=f"codex@{at_s}", at_us=at_s * SECOND_US, cluster="local", pool="codex", current=current,
        desired=desired, proposed=desired, reason="because", ladder="full",
    )  # fmt: skip


def message(topic: str, value: bytes | None, key: str = "") -> Message:
    return Message(topic, 0, 0, 0, key.encode(), value, ())


def observed(*messages: Message) -> Observer:
    observer = Observer(ManualClock())
    observer.feed(messages)
    return observer


def report(observer: Observer, **run: Any) -> dict[str, Any]:
    of = Run(seed=1, start_us=0, broker="embedded", delivery="at_least_once", **run)
    built = build(of, observer.seen, Tally(), Story(0))
    return dict(json.loads(json.dumps(built)))


def test_ups_and_downs_of_a_pool_are_counted() -> None:
    sizes = [pool(ready, at_s) for at_s, ready in enumerate([1, 2, 2, 3, 1])]
    observer = observed(*[message("pools", encode_record(s), "local/codex") for s in sizes])

    assert report(observer)["scaling"] == {"codex": {"ups": 2, "downs": 1, "least": 1, "most": 3}}


def test_decisions_that_wanted_a_change_and_the_last_one_are_kept() -> None:
    made = [decision(2, 1), decision(3, 2), decision(2, 3)]
    observer = observed(*[message("decisions", encode_record(d)) for d in made])

    assert [d["at_s"] for d in report(observer)["decisions"]] == [2, 3]


def test_rows_of_final_windows_and_the_slowest_shard_are_told() -> None:
    blocks = [
        BlockHeader(kind="window", series_kind="engine", shard=0, watermark_us=9),
        BlockHeader(kind="window", series_kind="engine", shard=1, watermark_us=5),
        BlockHeader(kind="window", series_kind="engine", shard=0, provisional=True),
    ]
    columns = {"window_us": np.zeros(3, np.int64)}
    observer = observed(*[message("windows", encode_block(b, columns)) for b in blocks])

    assert report(observer)["window_rows"] == {"engine": 6, "provisional": 3}
    assert observer.seen.events_through_us == 5


def test_what_ingest_counted_is_summed_up() -> None:
    quality = Quality(
        at_us=0, source="requests", partition=0, records=5, accepted=3, late=1, dead=1
    )
    observer = observed(*[message("quality", encode_record(quality))] * 2)

    assert report(observer)["raw"] == {
        "records": 10, "accepted": 6, "late": 2, "far_future": 0, "dead": 2, "duplicate_frames": 0,
    }  # fmt: skip


def test_what_cannot_be_read_is_counted_and_the_next_is_taken() -> None:
    good = message("decisions", encode_record(decision(3, 1)))
    observer = observed(message("decisions", b"moon"), message("windows", b"moon"), good)

    assert observer.seen.corrupt == 2
    assert len(observer.seen.decisions) == 1


@pytest.mark.parametrize(
    ("stages", "silent"),
    [
        pytest.param({"watch": {"batches": 3.0}}, [], id="all-at-work"),
        pytest.param({"alert": {"records_in": 9.0, "batches": 0.0}}, [], id="reading-is-enough"),
        pytest.param({"watch": {"batches": 0.0}, "sink": {}}, ["sink", "watch"], id="two-silent"),
    ],
)
def test_a_silent_stage_is_named(stages: dict[str, dict[str, float]], silent: list[str]) -> None:
    assert report(observed(), stages=stages)["silent_stages"] == silent
