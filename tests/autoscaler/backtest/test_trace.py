import json
from pathlib import Path

import numpy as np
import pytest

from autoscaler.backtest.gauges import gauged
from autoscaler.backtest.recordings import recorded
from autoscaler.backtest.trace import is_trace, load
from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import encode_record
from streams.errors import InvalidParameterError
from streams.recording import RecordingWriter
from streams.schemas.telemetry import RequestEvent
from streams.sources.prometheus_series import Series

META = json.dumps({"profile": {"slots": 2, "prefill_tps": 100.0, "tpot_s": 0.5}})


def by_second(folder: Path) -> Path:
    file = folder / "by_second.npz"
    counts = np.full(600, 2, np.uint16)
    prompt, output = np.full(60, 2_000), np.full(60, 200)
    np.savez(file, n_1s=counts, in_tok_10s=prompt, out_tok_10s=output, meta=META)
    return file


def test_seconds_become_requests_with_all_tokens(tmp_path: Path) -> None:
    trace = load(by_second(tmp_path))

    assert np.bincount(trace.arrival_s.astype(int)).tolist() == [2] * 600
    assert trace.service_s.sum() == pytest.approx(60 * (20 + 100), rel=0.02)
    assert (trace.slots, trace.seconds) == (2, 600)


def test_the_same_file_becomes_the_same_requests(tmp_path: Path) -> None:
    file = by_second(tmp_path)

    assert np.array_equal(load(file).service_s, load(file).service_s)


def test_arrays_of_another_kind_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.npz"
    np.savez(file, dsec=np.zeros(3))

    assert not is_trace(file)
    with pytest.raises(InvalidParameterError, match="a trace"):
        load(file)


def event(kind: str, at_s: float, request: str, **more: float) -> RequestEvent:
    return RequestEvent(
        kind=kind,  # type: ignore[arg-type]
        at_us=round(at_s * SECOND_US),
        pool="chat",
        request_id=request,
        **more,  # type: ignore[arg-type]
    )


def test_a_recording_becomes_its_requests(tmp_path: Path) -> None:
    file = tmp_path / "past.tgr"
    told = [
        event("arrived", 1_000.5, "a"),
        event("arrived", 1_001.0, "b"),
        event("arrived", 1_003.0, "c", attempt=1),
        event("arrived", 1_004.0, "d"),
        event("finished", 1_005.0, "a", duration_s=4.5, queue_s=0.5),
        event("finished", 1_006.0, "b", duration_s=2.0),
    ]
    with RecordingWriter(file) as writer:
        for offset, one in enumerate(told):
            writer.write(Message("requests", 0, offset, one.at_us, b"chat", encode_record(one)))

    trace = recorded(file, slots=8)

    assert trace.arrival_s.tolist() == [0.5, 1.0, 4.0]
    assert trace.service_s.tolist() == [4.0, 2.0, 3.0]  # of d no end is known


def series(name: str, values: list[float]) -> Series:
    points = [(at * 5 * SECOND_US, value) for at, value in enumerate(values)]
    return Series({"__name__": name, "instance": "a"}, points)


def test_levels_and_counters_become_requests_that_fit_them() -> None:
    steps = 361
    told = [
        series("vllm:num_requests_running", [6.0] * steps),
        series("vllm:num_requests_waiting", [0.0] * steps),
        series("vllm:request_success_total", [10.0 * at for at in range(steps)]),
    ]

    trace = gauged(told, name="chat", slots=4, since_us=0, until_us=1_800 * SECOND_US)

    assert len(trace.arrival_s) == pytest.approx(3_600, abs=2)
    assert trace.mean_service_s == pytest.approx(3.0, rel=0.05)  # Little: 6 held at 2 a second


def test_a_counter_that_starts_anew_is_no_demand() -> None:
    told = [
        series("vllm:num_requests_running", [1.0] * 121),
        series("vllm:request_success_total", [5.0 * (at % 60) for at in range(121)]),
    ]

    trace = gauged(told, name="chat", slots=4, since_us=0, until_us=600 * SECOND_US)

    assert len(trace.arrival_s) == pytest.approx(590, abs=5)


def test_a_selector_of_nothing_is_said() -> None:
    with pytest.raises(InvalidParameterError, match="in use"):
        gauged([], name="chat", slots=4, since_us=0, until_us=600 * SECOND_US)
