"""An edge site whose process dies and whose line breaks wherever it can: in order and once."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.arrivals import Read, read
from streams.batch import Message
from streams.codec import decode_block, decode_record
from streams.schemas.incidents import Incident
from streams.schemas.system import Quality
from streams.schemas.telemetry import Change
from streams.stage import Out
from streams.windows.blocks import decode_table
from tests.tidegate.edge_site import (
    BEGAN_US,
    SITE,
    Fate,
    LineDownError,
    ListCentre,
    clock_us,
    opened,
    readings,
    site_settings,
)
from tidegate.edge.line import Line
from tidegate.edge.spool import Spool

SECONDS = 24
EVENTS = st.lists(
    st.tuples(
        st.integers(0, SECONDS - 1),
        st.sampled_from(["process dies", "line is up", "line is cut"]),
        st.lists(st.sampled_from(["arrives", "lost", "unheard"]), max_size=3),
    ),
    max_size=6,
)
Event = tuple[int, str, list[Fate]]


async def sent(spool: Spool, centre: ListCentre) -> None:
    """A session that ends when nothing waits, or when the line breaks."""
    line = Line(lambda: centre, spool)
    with suppress(LineDownError):
        await line.begin(centre)
        await line.send_all(centre)


async def lived(path: Path, events: Sequence[Event], seconds: int = SECONDS) -> list[Out]:
    """What has arrived of a site's life in the end, when the line is up again."""
    centre, up = ListCentre(), True
    site = site_settings(snapshot_s=7)
    spool, memory = opened(path, site)
    for second in range(seconds):
        memory.step(readings(second), clock_us(second))
        for _, what, fates in [event for event in events if event[0] == second]:
            up = (what != "line is cut") and (up or what == "line is up")
            centre.fates = list(fates)
            if what == "process dies":
                spool.close()
                spool, memory = opened(path, site)
        if up:
            await sent(spool, centre)
    centre.fates.clear()
    await sent(spool, centre)
    spool.close()
    return centre.arrived


@pytest.fixture(scope="module")
def undisturbed() -> list[Out]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(lived(Path(folder) / "site.sqlite", []))


@pytest.mark.slow
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events=EVENTS)
async def test_the_same_arrives_once_and_in_order_whatever_happens(
    undisturbed: list[Out], events: list[Event]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert await lived(Path(folder) / "site.sqlite", events) == undisturbed


async def test_what_happened_while_the_line_was_down_arrives_as_it_was(tmp_path: Path) -> None:
    cut: Event = (5, "line is cut", [])

    arrived = await lived(tmp_path / "site.sqlite", [cut], seconds=90)

    incidents = [out.value for out in arrived if out.topic == "incidents"]
    found = [decode_record(one, Incident) for one in incidents if isinstance(one, bytes)]
    assert [(one.state, one.cluster, one.title) for one in found] == [
        ("open", SITE, "chat-1 is frozen"),
        ("resolved", SITE, "chat-1 is frozen"),
    ]
    assert found[0].opened_at_us - BEGAN_US == 13_000_000


LOST = Change(
    id="k8s/chat-1/lost", at_us=clock_us(10), kind="replica_lost", cluster=SITE, pool="chat",
    replica="chat-1", summary="chat-1 ended: OOMKilled",
)  # fmt: skip


@pytest.mark.parametrize("dies_at", [None, 10, 11, 14])
async def test_what_was_changed_at_the_site_is_named_there(
    tmp_path: Path, dies_at: int | None
) -> None:
    centre, path, site = ListCentre(), tmp_path / "site.sqlite", site_settings(snapshot_s=3)
    spool, memory = opened(path, site)
    for second in range(SECONDS):
        told = [Out(topic="changes", key=LOST.id, value=LOST)] if second == 10 else []
        memory.step([*readings(second), *told], clock_us(second))
        if second == dies_at:
            spool.close()
            spool, memory = opened(path, site)
    await sent(spool, centre)
    spool.close()

    incidents = [out.value for out in centre.arrived if out.topic == "incidents"]
    first = decode_record(incidents[0], Incident) if isinstance(incidents[0], bytes) else None
    assert first is not None
    assert (first.title, first.changes) == ("chat-1 died", (LOST.id,))


async def test_blocks_say_whose_they_are_and_hold_up_nobody_at_the_centre(
    undisturbed: list[Out],
) -> None:
    blocks = [
        (out, decode_block(out.value))
        for out in undisturbed
        if isinstance(out.value, bytes) and out.topic in {"windows", "anomalies"}
    ]

    assert {(block.header.source, block.header.shard, out.partition) for out, block in blocks} == {
        (SITE, 3, 3)
    }
    for out, _ in blocks:
        assert isinstance(out.value, bytes)
        message = Message(out.topic, 3, 0, 0, b"3", out.value)
        assert read(message, interval_us={}, held_us=0) == Read()


async def test_the_oldest_goes_when_the_file_is_full_and_the_centre_hears_how_much(
    tmp_path: Path,
) -> None:
    spool, memory = opened(tmp_path / "site.sqlite", site_settings())
    spool.max_bytes = 8_000
    for second in range(40):
        memory.step(readings(second), clock_us(second))
    centre = ListCentre()

    await sent(spool, centre)

    positions = [
        decode_block(out.value).header.from_offset
        for out in centre.arrived
        if out.topic == "windows" and isinstance(out.value, bytes)
    ]
    newest = decode_record(_last(centre.arrived, "quality"), Quality)
    assert positions == sorted(positions)
    assert 0 < newest.lost <= spool.dropped
    assert len(centre.arrived) == spool.next_position - 1_000 - spool.dropped


async def test_a_clock_that_goes_back_makes_no_window_twice(tmp_path: Path) -> None:
    spool, memory = opened(tmp_path / "site.sqlite", site_settings())
    for second in [*range(10), *range(5, 20)]:
        memory.step(readings(second), clock_us(second))
    centre = ListCentre()

    await sent(spool, centre)

    windows = [
        int(at_us)
        for out in centre.arrived
        if out.topic == "windows" and isinstance(out.value, bytes)
        for at_us in set(decode_table(decode_block(out.value)).window_us.tolist())
    ]
    assert windows == sorted(set(windows))


def test_a_new_file_begins_beyond_any_that_was_there_before(tmp_path: Path) -> None:
    old = Spool(tmp_path / "old.sqlite", max_bytes=10**9, born=1_000)
    old.keep(0, [], [Out(topic="quality", key="", value=b"x")] * 5)
    again = Spool(tmp_path / "old.sqlite", max_bytes=10**9, born=5_000)
    new = Spool(tmp_path / "new.sqlite", max_bytes=10**9, born=5_000)

    assert (again.next_position, new.next_position) == (1_005, 5_000)


def _last(arrived: Sequence[Out], topic: str) -> bytes:
    value = [out.value for out in arrived if out.topic == topic][-1]
    assert isinstance(value, bytes)
    return value
