"""WATCH behind its log: it answers batches, and takes the past in without a word."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from detectors.settings import ChannelSettings, DetectionSettings
from detectors.stage import WatchHandler
from detectors.watch import meaning_of
from streams.batch import Message, RecordBatch
from streams.errors import SnapshotError
from streams.settings import WindowSettings
from streams.stage import Out
from tests.detectors.test_watch import quiet_chain
from tests.scenarios.chain import contents, new_watch


async def batches(log: list[Message], size: int = 7) -> AsyncIterator[RecordBatch]:
    for start in range(0, len(log), size):
        yield batch(log[start : start + size])


def batch(messages: list[Message]) -> RecordBatch:
    start = messages[0].offset
    return RecordBatch("partials", 0, start, start + len(messages), messages)


async def test_after_a_restart_the_rest_comes_out_as_without() -> None:
    chain = quiet_chain(20)
    half = len(chain.log) // 2
    before = new_watch().step(chain.log[:half])
    handler = WatchHandler(new_watch())
    await handler.restore(batches(chain.log[:half]))
    after = await handler.handle(batch(chain.log[half:]))
    assert contents([*before, *after]) == contents(chain.told)


async def test_a_snapshot_takes_the_place_of_the_log() -> None:
    chain = quiet_chain(20)
    half = len(chain.log) // 2
    before = WatchHandler(new_watch())
    await before.handle(batch(chain.log[:half]))
    after = WatchHandler(new_watch())
    after.load(before.save())
    assert list(await after.handle(batch(chain.log[half:]))) == written_after(chain.log, half)


def written_after(log: list[Message], offset: int) -> list[Out]:
    watch = new_watch()
    watch.step(log[:offset])
    return watch.step(log[offset:])


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        pytest.param(("rise",), "does not fit these detectors", id="too-few"),
        pytest.param(("rise", "limit", "limit"), "does not fit these detectors", id="too-many"),
        pytest.param(("limit", "rise"), "RiseState: .* `seen`", id="another"),
    ],
)
def test_a_state_of_other_detectors_is_refused(kinds: tuple[str, ...], reason: str) -> None:
    handler = WatchHandler(new_watch(judged_by("rise", "limit")))
    with pytest.raises(SnapshotError, match=reason):
        handler.load(WatchHandler(new_watch(judged_by(*kinds))).save())


def judged_by(*kinds: str) -> DetectionSettings:
    one = {"series": "engine", "values": ["up_min"]}
    return DetectionSettings.model_validate({"detectors": [one | {"kind": kind} for kind in kinds]})


NUMBERS = {"false_pages_per_week": 2.0, "max_series": 7, "anomaly_after_s": 9.0}


@pytest.mark.parametrize(
    "other",
    [
        *[pytest.param({name: value}, id=name) for name, value in NUMBERS.items()],
        pytest.param({"detectors": judged_by("limit").detectors}, id="detectors"),
    ],
)
def test_a_state_means_the_same_under_the_same_settings_only(other: dict[str, object]) -> None:
    usual, windows, sources = DetectionSettings(), WindowSettings(), [("requests", 0)]
    changed = usual.model_copy(update=other)
    assert meaning_of(usual, windows, sources) != meaning_of(changed, windows, sources)


def test_a_state_of_other_sources_means_something_else() -> None:
    usual, windows, sources = DetectionSettings(), WindowSettings(), [("requests", 0)]
    more = [*sources, ("requests", 1)]
    assert meaning_of(usual, windows, sources) != meaning_of(usual, windows, more)


def test_whom_to_tell_does_not_change_what_a_state_means() -> None:
    channel = ChannelSettings(name="ops", url="https://example.org")
    told = DetectionSettings(channels=(channel,))
    windows = WindowSettings()
    assert meaning_of(told, windows, []) == meaning_of(DetectionSettings(), windows, [])


async def test_an_empty_log_says_nothing() -> None:
    handler = WatchHandler(new_watch())
    assert list(await handler.handle(RecordBatch("partials", 0, 0, 3))) == []
    assert list(await handler.idle(3, 1)) == []


async def test_what_detectors_have_earned_is_a_metric() -> None:
    watch = new_watch()
    watch.grace.worth.state.in_force["ewma", "engine.ttft_s_mean"] = 0.5
    await WatchHandler(watch).handle(batch(quiet_chain(2).log))
    labels = {"shard": "0", "detector": "ewma", "feature": "engine.ttft_s_mean"}
    assert REGISTRY.get_sample_value("tidegate_detector_share", labels) == 0.5
