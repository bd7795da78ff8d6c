"""From buffer to broker, stepped by hand: nothing lost untold, nothing told twice."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError
from tidegate_client.frames import Identity
from tidegate_client.packing import Packer
from tidegate_client.records import row_of
from tidegate_client.tally import Tally

from tests.clients.world import Bench, Broker, decoded


def test_records_gather_until_time_or_a_whole_batch() -> None:
    broker = Broker()
    bench = Bench(broker)
    bench.emit()
    bench.step()
    bench.emit()
    bench.step(0.5)
    assert bench.tally.counters().waiting == 1

    bench.emit(4)
    bench.step(0.1)

    assert [frame.records for frame in broker.taken] == [1, 5]


def test_a_dead_broker_costs_the_oldest_and_only_so_much_memory() -> None:
    bench = Bench(Broker(up=False))
    for _ in range(100):
        bench.emit(5)
        bench.step()

    counters = bench.tally.counters()
    assert counters.waiting == 60  # 20 rows and 8 frames of 5
    assert counters.dropped == {"full": 440}


def test_it_is_not_knocked_at_all_the_time() -> None:
    bench = Bench(Broker(up=False))
    bench.emit()
    for _ in range(100):
        bench.step(0.1)
    assert bench.tally.counters().failures == 5  # after 0.5, 1, 2, 4 and 8 s


def test_when_it_comes_back_all_that_waited_goes_in_order() -> None:
    broker = Broker(up=False)
    bench = Bench(broker)
    bench.emit(15)
    bench.step()
    broker.up = True

    bench.step(10)
    bench.step()

    assert broker.sequences() == [1, 2, 3]
    assert bench.tally.counters().sent == 15


def test_without_an_answer_the_same_frame_goes_again_by_another_link() -> None:
    broker = Broker(answers=False)
    bench = Bench(broker)
    bench.emit(5)
    bench.step()
    broker.links[0].outcomes[0].settle(KafkaTimeoutError("too long"))
    broker.answers = True

    for _ in range(5):
        bench.step()

    first, second = broker.taken
    assert first == second
    assert broker.links[0].closed
    assert bench.tally.counters().sent == 5


def test_a_link_whose_thread_died_is_given_up() -> None:
    broker = Broker(answers=False)
    bench = Bench(broker)
    bench.emit(5)
    bench.step()
    bench.step(31)
    assert broker.links[0].closed


def test_what_is_refused_for_good_makes_room(caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(error=TopicAuthorizationFailedError("requests"))
    bench = Bench(broker)
    for _ in range(4):
        bench.emit(5)
        bench.step()

    assert bench.tally.counters().dropped == {"refused": 15}
    assert len(caplog.messages) == 1


def test_one_bad_row_does_not_cost_its_neighbours() -> None:
    broker = Broker()
    bench = Bench(broker)
    bench.emit(2)
    bench.buffer.put("requests", ("arrived", "noon", "p"))
    bench.emit(2)
    bench.step()
    bench.step()

    counters = bench.tally.counters()
    assert (counters.sent, counters.dropped) == (4, {"unfit": 1})


def test_a_frame_stays_below_what_a_topic_takes() -> None:
    broker = Broker()
    bench = Bench(broker)
    for _ in range(5):
        large = {"x": "y" * 250_000}
        bench.buffer.put("changes", ("id", 1, "other", "s", "", "local", "", "", "", large))
    bench.step()
    bench.step()

    assert sum(frame.records for frame in broker.taken) == 5
    assert max(len(frame.data) for frame in broker.taken) < 900_000


def test_finishing_counts_what_is_left() -> None:
    bench = Bench(Broker(up=False))
    bench.emit(18)
    bench.step()

    bench.sender.finish()

    counters = bench.tally.counters()
    assert (counters.waiting, counters.dropped) == (0, {"closed": 18})


def test_a_spool_is_sent_by_the_next_process_in_order_and_with_the_same_sequence(
    tmp_path: Path,
) -> None:
    broker = Broker(up=False)
    first = Bench(broker, spool=tmp_path, boot="first")
    first.emit(12)
    first.step()
    first.sender.finish()
    assert first.tally.counters().spooled == 12

    broker.up = True
    second = Bench(broker, spool=tmp_path, boot="second")
    second.emit(5)
    for _ in range(3):
        second.step()

    found = [(frame.boot, frame.sequence, frame.records) for frame in broker.taken]
    assert found == [("first", 1, 5), ("first", 2, 5), ("first", 3, 2), ("second", 1, 5)]
    second.sender.finish()
    assert list(tmp_path.iterdir()) == []
    counters = second.tally.counters()
    assert (counters.adopted, counters.sent, counters.spooled) == (12, 17, 0)


def test_the_folder_of_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    first = Bench(Broker(up=False), spool=tmp_path, boot="first")
    first.emit(5)
    first.step()

    assert Bench(Broker(), spool=tmp_path, boot="second").tally.counters().adopted == 0


def test_a_spooled_frame_that_was_cut_off_is_counted_and_not_sent(tmp_path: Path) -> None:
    first = Bench(Broker(up=False), spool=tmp_path, boot="first")
    first.emit(10)
    first.step()
    first.sender.finish()
    file = min((tmp_path / "first").glob("*.requests.*"))
    file.write_bytes(file.read_bytes()[:-1])

    broker = Broker()
    second = Bench(broker, spool=tmp_path, boot="second")
    for _ in range(2):
        second.step()

    assert broker.sequences() == [2]
    assert second.tally.counters().dropped == {"spool_failed": 5}


def test_a_full_spool_lets_the_oldest_go(tmp_path: Path) -> None:
    bench = Bench(Broker(up=False), spool=tmp_path, max_bytes=3 * 4096)
    for _ in range(5):
        bench.emit(5)
        bench.step()

    counters = bench.tally.counters()
    assert (counters.spooled, counters.dropped) == (15, {"spool_full": 10})
    kept = sorted(path.name.partition(".")[0] for path in (tmp_path / "b").glob("*.requests.*"))
    assert [int(name) for name in kept] == [3, 4, 5]


def test_a_frame_that_made_room_while_on_its_way_counts_as_dropped_only(tmp_path: Path) -> None:
    broker = Broker(answers=False)
    bench = Bench(broker, spool=tmp_path, max_bytes=3 * 4096)
    bench.emit(15)
    bench.step()
    bench.emit(5)
    bench.step()
    for outcome in broker.links[0].outcomes:
        outcome.settle()
    broker.answers = True

    for _ in range(3):
        bench.step()

    counters = bench.tally.counters()
    assert (counters.sent, counters.spooled, counters.dropped) == (15, 0, {"spool_full": 5})


def test_a_spool_that_cannot_be_written_costs_records_not_the_service(tmp_path: Path) -> None:
    bench = Bench(Broker(up=False), spool=tmp_path / "file")
    (tmp_path / "file").write_text("in the way")
    bench.emit(5)
    bench.step()
    assert bench.tally.counters().dropped == {"spool_failed": 5}


STEPS = st.lists(
    st.sampled_from(["emit", "emit many", "bad", "step", "wait", "down", "up", "silent", "answers",
                     "settle", "fail", "die"]),
    max_size=40,
)  # fmt: skip


@given(happens=STEPS, on_disk=st.booleans())
def test_whatever_happens_everything_emitted_is_accounted_for(
    happens: list[str], on_disk: bool
) -> None:
    with TemporaryDirectory() as folder:
        broker = Broker()
        spool = Path(folder) if on_disk else None
        bench = Bench(broker, spool=spool, boot="boot-0", max_bytes=3 * 4096)
        for number, what in enumerate(happens):
            if what == "die":
                bench.sender.finish()
                _check(bench, broker)
                broker.taken.clear()
                bench = Bench(broker, spool=spool, boot=f"boot-{number}", max_bytes=3 * 4096)
            else:
                _do(what, bench, broker)
        bench.sender.finish()
        _check(bench, broker)


def _do(what: str, bench: Bench, broker: Broker) -> None:
    match what:
        case "emit" | "emit many":
            bench.emit(1 if what == "emit" else 23)
        case "bad":
            bench.buffer.put("requests", ("arrived", "noon", "p"))
        case "step" | "wait":
            bench.step(0.5 if what == "step" else 20)
        case "down" | "up":
            broker.up = what == "up"
        case "silent" | "answers":
            broker.answers = what == "answers"
        case "settle" | "fail" if broker.links:
            for outcome in broker.links[-1].outcomes:
                if not outcome.done:
                    outcome.settle(None if what == "settle" else KafkaTimeoutError("slow"))


def _check(bench: Bench, broker: Broker) -> None:
    counters = bench.tally.counters()
    assert counters.waiting == 0
    assert counters.emitted + counters.adopted == (
        counters.sent + counters.spooled + sum(counters.dropped.values())
    )
    distinct = {(frame.boot, frame.sequence): frame for frame in broker.taken}
    taken = sum(decoded("requests", frame.data)[0].count for frame in distinct.values())
    # The broker may have what we never learned of; it has all that we say it has.
    assert taken >= counters.sent


def test_frames_are_numbered_for_each_topic() -> None:
    packer = Packer(Identity("host-7", "b00t"), Tally(), lambda *_: None)
    least = {
        "requests": {"kind": "arrived", "at_us": 1, "pool": "codex"},
        "gpu": {"at_us": 1, "node": "node-1", "gpu_uuid": "GPU-1"},
    }
    topics = ["requests", "gpu", "requests", "gpu", "requests"]
    rows = {topic: [row_of(topic, record)] for topic, record in least.items()}
    frames = [frame for topic in topics for frame in packer.frames(topic, rows[topic])]

    numbers = [decoded(frame.topic, frame.data)[0].number for frame in frames]

    assert [frame.sequence for frame in frames] == [1, 2, 3, 4, 5]
    assert numbers == [1, 1, 2, 2, 3]
