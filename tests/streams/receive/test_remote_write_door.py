"""Remote write as Prometheus sends it: bytes put together by hand from the specification."""

import struct
from collections.abc import Sequence
from typing import Any

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.clock import SECOND_US, system_clock
from streams.errors import CorruptMessageError
from streams.windows.spread import read_spread
from tests.streams.receive.conftest import Client, Kept

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
V2 = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}
V: dict[int, dict[str, str]] = {1: {}, 2: V2}
TARGET = {"job": "codex", "instance": "codex-1:8000"}
PROMPTS = "vllm:prompt_tokens_total"
Samples = Sequence[tuple[float, int]]
"""Value and milliseconds."""


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def part(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def sampled(samples: Samples) -> bytes:
    pairs = (b"\x09" + struct.pack("<d", value) + b"\x10" + varint(ms) for value, ms in samples)
    return b"".join(part(2, pair) for pair in pairs)


def one(*series: tuple[str, Samples], **labels: str) -> bytes:
    """A request of version 1."""
    made = b""
    for name, samples in series:
        named = {"__name__": name, **TARGET, **labels}
        pairs = (part(1, k.encode()) + part(2, v.encode()) for k, v in named.items())
        made += part(1, b"".join(part(1, pair) for pair in pairs) + sampled(samples))
    return made


def two(name: str, samples: Samples) -> bytes:
    """A request of version 2: labels are places in a list of texts."""
    texts = ["", *(text for pair in {"__name__": name, **TARGET}.items() for text in pair)]
    refs = b"".join(map(varint, range(1, len(texts))))
    symbols = b"".join(part(4, text.encode()) for text in texts)
    return symbols + part(5, part(1, refs) + sampled(samples))


def zigzag(value: int) -> bytes:
    return varint(value << 1 ^ value >> 63)


def double(number: int, value: float) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<d", value)


def native(
    counts: Sequence[int], total: float, ms: int, *, schema: int = 0, bounds: Sequence[float] = ()
) -> bytes:
    """Consecutive buckets from place 0 on, as an integer histogram of a client has them."""
    deltas = (after - before for before, after in zip((0, *counts), counts, strict=False))
    custom = b"".join(struct.pack("<d", bound) for bound in bounds)
    return (
        b"\x08" + varint(sum(counts)) + double(3, total) + b"\x20" + zigzag(schema)
        + part(11, b"\x08" + zigzag(0) + b"\x10" + varint(len(counts)))
        + part(12, b"".join(map(zigzag, deltas))) + b"\x78" + varint(ms)
        + (part(16, custom) if bounds else b"")
    )  # fmt: skip


def histograms(name: str, *made: bytes, version: int = 1) -> bytes:
    """A request with native histograms of one series."""
    named = {"__name__": name, **TARGET}
    if version == 1:
        pairs = (part(1, k.encode()) + part(2, v.encode()) for k, v in named.items())
        labels = b"".join(part(1, pair) for pair in pairs)
        return part(1, labels + b"".join(part(4, one) for one in made))
    symbols = b"".join(part(4, text.encode()) for text in ["", *sum(named.items(), ())])
    refs = b"".join(map(varint, range(1, 1 + 2 * len(named))))
    return symbols + part(5, part(1, refs) + b"".join(part(3, one) for one in made))


def packed(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


async def post(door: Client, body: bytes, **more: str) -> tuple[int, str]:
    answer = await door.post("/api/v1/write", data=packed(body), headers=HEADERS | more)
    return answer.status, await answer.text()


async def test_series_become_samples_and_what_no_engine_says_is_left_alone(
    door: Client, kept: Kept
) -> None:
    ms = system_clock() // 1_000
    for at, tokens in ((ms - 10_000, 100), (ms, 130)):
        body = one(
            (PROMPTS, [(tokens, at)]),
            ("vllm:num_requests_running", [(4, at)]),
            ("up", [(1, at)]),
            ("go_goroutines", [(7, at)]),
        )
        assert await post(door, body) == (204, "")

    first, second = await kept.samples(2)

    assert (first.pool, first.replica) == ("codex", "codex-1:8000")
    assert (second.running, second.up, second.interval_s) == (4, 1, 10)
    assert (first.prompt_tokens, second.prompt_tokens) == (0, 30)


async def test_version_2_says_what_it_has_written(door: Client, kept: Kept) -> None:
    body = two("vllm:num_requests_running", [(4, system_clock() // 1_000)])

    answer = await door.post("/api/v1/write", data=packed(body), headers=HEADERS | V2)

    assert answer.status == 204
    assert answer.headers["X-Prometheus-Remote-Write-Samples-Written"] == "1"
    assert (await kept.samples(1))[0].running == 4


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "form",
    [{"schema": 1}, {"schema": -53, "bounds": [1.0, 2**0.5, 2.0]}],
    ids=["exponential", "custom"],
)
async def test_native_histograms_become_latencies(
    door: Client, kept: Kept, version: int, form: dict[str, Any]
) -> None:
    ms = system_clock() // 1_000
    before = native([5, 0, 0], 4.0, ms - 1_000, **form)
    now = native([5, 4, 1], 4.0 + 4 * 1.2 + 1.8, ms, **form)
    body = histograms("vllm:time_to_first_token_seconds", before, now, version=version)

    answer = await door.post("/api/v1/write", data=packed(body), headers=HEADERS | V[version])

    assert (answer.status, await answer.text()) == (204, "")
    assert answer.headers["X-Prometheus-Remote-Write-Histograms-Written"] == "2"
    [sample] = await kept.samples(1)
    assert sample.ttft_s == pytest.approx((4 * 1.2 + 1.8) / 5)
    spread = read_spread(sample.ttft_spread, 1_000_000)
    assert spread is not None
    values = np.repeat(*spread) / 1e6
    assert (values[:4].min() >= 1, values[:4].max() <= 2**0.5, len(values)) == (True, True, 5)
    assert 2**0.5 <= values[4] <= 2


async def test_the_mark_that_a_histogram_has_ended_is_no_value(door: Client, kept: Kept) -> None:
    gone = native([], STALE, system_clock() // 1_000)

    assert await post(door, histograms("vllm:time_to_first_token_seconds", gone)) == (204, "")
    assert kept.out == []


async def test_stale_marks_and_nan_are_no_values(door: Client, kept: Kept) -> None:
    ms = system_clock() // 1_000
    values = [(4, ms - 2_000), (float("nan"), ms - 1_000), (STALE, ms)]

    assert await post(door, one(("vllm:num_requests_running", values))) == (204, "")
    assert [sample.running for sample in await kept.samples(1)] == [4]


async def test_what_is_out_of_order_is_not_to_be_sent_again(door: Client, kept: Kept) -> None:
    ms = system_clock() // 1_000
    body = one((PROMPTS, [(1, ms), (1, ms - 5_000), (2, ms + 1_000)]))

    assert await post(door, body) == (400, "1 out_of_order")
    assert len(await kept.samples(2)) == 2


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b"moon", {}, 400, id="no-snappy"),
        pytest.param(packed(b"\xff\xff"), {}, 400, id="no-protobuf"),
        pytest.param(packed(bytes(2_000_000)), {}, 413, id="a-bomb"),
        pytest.param(packed(b""), {"Content-Encoding": "zstd"}, 415, id="another-encoding"),
        pytest.param(packed(b""), {"Content-Type": "text/plain"}, 415, id="another-type"),
        pytest.param(
            packed(b""), {"Content-Type": "application/x-protobuf;proto=x.Y"}, 415, id="a-message"
        ),
        pytest.param(
            packed(part(5, part(1, varint(9)) + sampled([(1, 1)]))), V2, 400, id="refers-to-nothing"
        ),
        pytest.param(packed(b""), {}, 204, id="nothing-at-all"),
    ],
)
async def test_every_wrong_request_has_its_answer(
    door: Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await door.post("/api/v1/write", data=body, headers=HEADERS | headers)

    assert answer.status == status


async def test_no_room_is_503_so_that_prometheus_keeps_it(door: Client, kept: Kept) -> None:
    kept.shut, kept.ahead_us = True, SECOND_US
    ms = system_clock() // 1_000
    body = one(("vllm:num_requests_running", [(4, ms)]))
    while (said := await post(door, body))[0] == 204:
        pass
    assert said == (503, "no room: the broker takes too little")

    kept.shut = False
    assert len(await kept.samples(1)) == 1


@given(st.binary(), st.sampled_from([1, 2]), st.integers(0, 60))
def test_any_bytes_are_read_or_called_corrupt(noise: bytes, version: int, at: int) -> None:
    pytest.importorskip("google.protobuf", reason="pip install tidegate[otlp]")
    from streams.receive.remote_write import RemoteWrite

    whole = one((PROMPTS, [(1, SECOND_US)])) if version == 1 else two(PROMPTS, [(1, SECOND_US)])
    try:
        found = RemoteWrite(("job",), ("instance",)).read(
            whole[:at] + noise + whole[at:], 1 if version == 1 else 2
        )
    except CorruptMessageError as exc:
        assert str(exc).startswith("no write request")  # noqa: PT017  -- either outcome is right
    else:
        assert found.samples.came >= len(found.samples.points)
