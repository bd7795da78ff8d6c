"""Where a new owner begins, by what the group says and what the owners before have written."""

import pytest
from structlog.testing import capture_logs

from streams.batch import Message
from streams.codec import BlockHeader, encode_block
from streams.restoring import told_by
from tests.streams.test_partition import Broker, Case, taken_over

TOPIC = "anomalies"
OURS = BlockHeader(kind="anomaly", shard=0)


def told(*headers: BlockHeader) -> list[Message]:
    return [Message(TOPIC, 0, at, 0, b"0", encode_block(one)) for at, one in enumerate(headers)]


class Telling(Broker):
    """Its owners have written blocks that say how far they came."""

    outputs: list[Message]

    async def tail(self, topic: str, reach: int) -> tuple[list[Message], bool]:
        return self.outputs[-reach:], reach >= len(self.outputs)


@pytest.fixture
async def broker() -> Telling:
    broker = Telling()
    broker.offset, broker.outputs = 3, told(OURS.but(next_offset=7))
    return broker


async def test_an_offset_from_before_what_was_written_is_not_believed(broker: Telling) -> None:
    case = Case(broker, told_in=TOPIC)

    with capture_logs() as logs:
        case.partition.assigned()
        await case.until_failed()

    assert (case.handlers, broker.wanted) == ([], [])
    assert "says 3, but 7 was committed" in str(logs)
    await case.partition.close()


async def test_once_the_coordinator_is_abreast_it_goes_on(broker: Telling) -> None:
    case = Case(broker, told_in=TOPIC)
    case.partition.assigned()
    await case.until_failed()

    broker.offset = 9  # nothing was written after 7
    await case.until(9)

    assert broker.wanted == [9]
    await case.partition.close()


async def test_a_stage_whose_outputs_tell_nothing_believes_the_group(broker: Telling) -> None:
    case = await taken_over(Case(broker))

    assert broker.wanted == [3]
    await case.partition.close()


async def test_it_looks_as_far_back_as_it_takes(broker: Telling) -> None:
    site = OURS.but(source="site", next_offset=90)
    broker.outputs += told(*[site] * 200)
    case = Case(broker, told_in=TOPIC)

    case.partition.assigned()
    await case.until_failed()

    assert broker.wanted == []
    await case.partition.close()


def test_neither_sites_nor_former_versions_nor_rubbish_tell_anything() -> None:
    site, former = OURS.but(source="site", next_offset=90), OURS
    rubbish = Message(TOPIC, 0, 2, 0, b"0", b"rubbish")

    assert told_by([*told(site, former), rubbish]) is None
    assert told_by(told(OURS.but(next_offset=4), OURS.but(next_offset=5), site)) == 5
