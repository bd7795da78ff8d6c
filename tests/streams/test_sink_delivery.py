import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Self

import pytest

from streams.errors import SinkUnavailableError
from streams.settings import SinkSettings
from streams.sinks.base import BadPoint, Point
from streams.sinks.delivery import Delivery
from streams.sinks.spool import Spool


class FlakySink:
    """Takes points while ``up`` is set."""

    name = "flaky"
    batch_points = 3

    def __init__(self) -> None:
        self.up = True
        self.held: list[int] = []
        self.batches: list[int] = []

    @classmethod
    def from_settings(cls, settings: SinkSettings) -> Self | None:
        return cls()

    def write(self, points: Sequence[Point]) -> Sequence[BadPoint]:
        if not self.up:
            raise SinkUnavailableError(self.name, 1.0, "down for the test")
        self.held += (point.at_us for point in points if point.at_us >= 0)
        self.batches.append(len(points))
        return [BadPoint(point, "before 1970") for point in points if point.at_us < 0]

    def close(self) -> None:
        pass


class Gate:
    """A pause that ends when the test says so."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._pausing = asyncio.Event()
        self._go = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        self._pausing.set()
        await self._go.wait()
        self._go.clear()

    async def reached(self) -> None:
        await self._pausing.wait()
        self._pausing.clear()

    def open(self) -> None:
        self._go.set()


def points(*at_us: int) -> list[Point]:
    return [Point(measurement="m", at_us=at, tags={}, fields={"x": 1.0}) for at in at_us]


async def put(delivery: Delivery, given: Sequence[Point]) -> None:
    """Waiting for ever is how this would fail."""
    async with asyncio.timeout(10):
        await delivery.put(given)


@pytest.fixture
def sink() -> FlakySink:
    return FlakySink()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def delivery(sink: FlakySink, gate: Gate) -> AsyncIterator[Delivery]:
    made = Delivery(sink, Spool(), spool_points=4, pause=gate)
    yield made
    await made.close()


async def test_points_are_in_the_sink_when_put_returns(delivery: Delivery, sink: FlakySink) -> None:
    await put(delivery, points(1, 2, 3, 4))
    assert (sink.held, sink.batches) == ([1, 2, 3, 4], [3, 1])


async def test_of_one_identity_only_the_newest_is_sent(delivery: Delivery, sink: FlakySink) -> None:
    await put(delivery, points(1, 1, 1))
    assert sink.held == [1]


async def test_a_refused_point_is_counted_and_the_rest_goes_on(
    delivery: Delivery, sink: FlakySink
) -> None:
    await put(delivery, points(-1, 2))
    assert (delivery.bad, delivery.written, sink.held) == (1, 1, [2])


async def test_while_a_sink_is_down_points_wait_in_order(
    delivery: Delivery, sink: FlakySink, gate: Gate
) -> None:
    sink.up = False
    await put(delivery, points(1, 2))
    await put(delivery, points(3))
    assert (delivery.down, delivery.spooled, delivery.paused) == (True, 3, False)
    sink.up = True
    gate.open()
    await put(delivery, points(4, 5))
    await delivery.drained()
    assert (sink.held, delivery.down, delivery.spooled) == ([1, 2, 3, 4, 5], False, 0)


async def test_with_a_full_spool_put_waits(delivery: Delivery, sink: FlakySink, gate: Gate) -> None:
    sink.up = False
    await put(delivery, points(1, 2, 3))
    await gate.reached()
    waiting = asyncio.create_task(delivery.put(points(4, 5)))
    await asyncio.sleep(0)
    assert (waiting.done(), delivery.paused, delivery.spooled) == (False, True, 3)
    sink.up = True
    gate.open()
    await waiting
    await delivery.drained()
    assert sink.held == [1, 2, 3, 4, 5]


async def test_pauses_grow_and_respect_what_the_sink_asks(
    delivery: Delivery, sink: FlakySink, gate: Gate
) -> None:
    sink.up = False
    await put(delivery, points(1))
    for _ in range(8):
        await gate.reached()
        gate.open()
    assert gate.asked[0] >= 1.0
    assert 30.0 <= gate.asked[7] <= 36.0


async def test_a_spool_on_disk_outlives_the_process(
    tmp_path: Path, sink: FlakySink, gate: Gate
) -> None:
    sink.up = False
    before = Delivery(sink, Spool(tmp_path / "s" / "spool"), spool_points=9, pause=gate)
    await put(before, points(1, 2))
    await before.close()
    sink.up = True
    after = Delivery(sink, Spool(tmp_path / "s" / "spool"), spool_points=9, pause=gate)
    assert after.spooled == 2
    await put(after, points(3, 4, 5, 6, 7, 8, 9, 10))
    await after.drained()
    await after.close()
    assert sink.held == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


async def test_closing_lets_nobody_believe_that_points_were_stored(
    delivery: Delivery, sink: FlakySink
) -> None:
    sink.up = False
    waiting = asyncio.create_task(delivery.put(points(1, 2, 3, 4, 5)))
    await asyncio.sleep(0)
    await delivery.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
