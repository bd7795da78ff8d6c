from typing import Any

from streams.clock import SECOND_US
from streams.schemas.system import Quality
from streams.tally import Tally


def counts(second: float, **but: Any) -> Quality:
    usual: dict[str, Any] = {
        "at_us": int(second * SECOND_US),
        "source": "requests",
        "partition": 0,
        "records": 3,
        "accepted": 1,
        "late": 1,
        "dead": 1,
        "behind_s": 0.5,
    }
    return Quality(**(usual | but))


def test_batches_of_a_second_are_added_up() -> None:
    tally = Tally()

    told = [tally.add(counts(s)) for s in (5.2, 5.9, 6.0)]

    assert told[:2] == [None, None]
    assert told[2] == counts(5, records=6, accepted=2, late=2, dead=2)
    assert tally.pending == counts(6)


def test_an_append_time_that_goes_back_belongs_to_the_second_begun() -> None:
    tally = Tally()
    tally.add(counts(5))

    assert tally.add(counts(3, behind_s=None)) is None
    assert tally.pending == counts(5, records=6, accepted=2, late=2, dead=2)


def test_silence_ends_a_second_too() -> None:
    tally = Tally()
    tally.add(counts(5.5))

    assert tally.end_before(int(5.9 * SECOND_US)) is None
    assert tally.end_before(6 * SECOND_US) == counts(5)
    assert tally.end_before(7 * SECOND_US) is None
