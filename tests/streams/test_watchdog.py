import threading
from pathlib import Path

import pytest

from streams.pulse import read_pulse
from streams.vitals import Producer, Vital, Vitals
from streams.watchdog import Watchdog


@pytest.fixture
def vitals() -> Vitals:
    return Vitals("watch")


def watched(vitals: Vitals, pulse: Path | None, seconds: range, **partition: bool) -> list[str]:
    """What it says at the end, if it comes to that, of a loop that turns."""
    said: list[str] = []
    watchdog = Watchdog(vitals, stuck_after_s=5, pulse=pulse, end=said.append)
    vitals.parts["partials/0"] = part = Vital()
    for second in seconds:
        vitals.beats += 1
        part.look(behind=partition.get("behind", False))
        watchdog.look(float(second))
    return said


def test_a_stage_that_hangs_is_ended_with_a_sentence_and_counted(
    vitals: Vitals, tmp_path: Path
) -> None:
    pulse = tmp_path / "watch.pulse"

    assert watched(vitals, pulse, range(6), behind=True) == [
        "watch: partials/0 has not moved for 5 s, and there is more to read; "
        "it is ended, to be started again"
    ]
    assert read_pulse(pulse).hangs == 1


def test_one_that_is_well_goes_on_and_shows_its_pulse(vitals: Vitals, tmp_path: Path) -> None:
    pulse = tmp_path / "watch.pulse"
    vitals.joined("m")
    vitals.writes("t.watch.partials.0", Producer(7, 1))
    vitals.writes("t.watch.partials.1", Producer(8, 0))
    vitals.writes("t.watch.partials.1", None)

    assert watched(vitals, pulse, range(20)) == []
    shown = read_pulse(pulse)
    assert (shown.beats, shown.starts, shown.hangs, shown.member_id) == (20, 1, 0, "m")
    assert shown.producers == {"t.watch.partials.0": Producer(7, 1)}


def test_the_next_process_counts_on(vitals: Vitals, tmp_path: Path) -> None:
    pulse = tmp_path / "watch.pulse"
    watched(vitals, pulse, range(6), behind=True)
    watched(Vitals("watch"), pulse, range(2))

    assert (read_pulse(pulse).starts, read_pulse(pulse).hangs) == (2, 1)


def test_a_pulse_that_cannot_be_written_stops_nobody(vitals: Vitals, tmp_path: Path) -> None:
    assert watched(vitals, tmp_path / "gone" / "watch.pulse", range(3)) == []


def test_a_broken_pulse_is_none(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("{")

    assert read_pulse(tmp_path / "p").starts == 0


def test_whoever_ended_in_good_order_is_watched_no_longer(vitals: Vitals) -> None:
    watchdog = Watchdog(vitals, stuck_after_s=5, pulse=None, end=pytest.fail)
    watchdog.start()

    watchdog.stop()

    assert "watchdog" not in {thread.name for thread in threading.enumerate()}
