"""The sender with channels that behave as told; time passes only in the fake clock and sleep."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from typing import Any

import pytest

from detectors.alerts.channels.base import Delivery
from detectors.alerts.delivery import QUEUE, ChannelWorker, Surroundings, pause_s
from detectors.alerts.outbox import ENDS_REPEATED, MAX_STANDING, Outbox
from detectors.alerts.sender import Sender
from streams.batch import Message
from streams.clock import SECOND_US, ManualClock
from streams.codec import encode_record
from streams.schemas.incidents import Alert

START_US = 1_767_225_600 * SECOND_US
OK = Delivery(ok=True)
NO = Delivery(ok=False, detail="HTTP 500")


def alert(number: int = 1, **but: Any) -> Alert:
    usual: dict[str, Any] = {
        "id": f"ALT-{number}",
        "incident": f"INC-{number}",
        "channel": "pager",
        "status": "firing",
        "delivery": "pending",
        "at_us": START_US,
        "severity": "warning",
        "title": "codex-2 is frozen",
    }
    return Alert(**(usual | but))


class FakeChannel:
    """Answers from a script, then well; or waits until released."""

    resend_s: float | None = None

    def __init__(self, *script: Delivery, hangs: bool = False) -> None:
        self.script = list(script)
        self.seen: list[str] = []
        self.closed = False
        self.released = asyncio.Event()
        if not hangs:
            self.released.set()

    async def deliver(self, alert: Alert, *, now_us: int) -> Delivery:
        self.seen.append(alert.id)
        await self.released.wait()
        return self.script.pop(0) if self.script else OK

    async def close(self) -> None:
        self.closed = True


class Bench:
    """A sender whose log, clock and sleep are in the test's hands."""

    def __init__(self, **channels: FakeChannel) -> None:
        self.clock = ManualClock(START_US)
        self.slept: list[float] = []
        self.published: list[Alert] = []
        self.log: asyncio.Queue[list[Message] | None] = asyncio.Queue()
        self.caught_up = asyncio.Event()
        self.world = Surroundings(
            publish=self.published.append, clock=self.clock, rng=Random(7), sleep=self._sleep
        )
        workers = {name: ChannelWorker(c, 3, self.world) for name, c in channels.items()}
        self.sender = Sender(workers, self.world)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    def write(self, *alerts: Alert | bytes) -> None:
        values = [a if isinstance(a, bytes) else encode_record(a) for a in alerts]
        self.log.put_nowait(
            [Message("alerts", 0, n, START_US, b"key", value, ()) for n, value in enumerate(values)]
        )

    async def _batches(self) -> AsyncIterator[Sequence[Message]]:
        while (batch := await self.log.get()) is not None:
            yield batch
            self.log.task_done()

    async def __aenter__(self) -> "Bench":
        self.running = asyncio.create_task(self.sender.run(self._batches(), self.caught_up))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.log.put_nowait(None)
        await self.running

    async def until(self, done: Callable[[], bool]) -> None:
        """Everything in here is ready at once or waits for the test, so a few rounds are enough."""
        for _ in range(500):
            if done() or self.running.done():
                break
            await asyncio.sleep(0)
        assert done()

    async def settled(self) -> None:
        """Everybody had their turn, several times."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def sends(self, *alerts: Alert | bytes) -> list[Alert]:
        """What was published after these were written to a log that was read to its end."""
        self.caught_up.set()
        async with self:
            self.write(*alerts)
            await self.until(
                lambda: len(self.published) >= sum(isinstance(a, Alert) for a in alerts)
            )
        return self.published


async def test_a_pending_alert_is_delivered_and_said_to_be() -> None:
    (sent,) = await Bench(pager=FakeChannel()).sends(alert())
    assert (sent.delivery, sent.attempts, sent.delivered_at_us) == ("delivered", 1, START_US)


async def test_a_failure_is_tried_again_after_the_pauses() -> None:
    bench = Bench(pager=FakeChannel(NO, NO))
    (sent,) = await bench.sends(alert())
    assert (sent.delivery, sent.attempts) == ("delivered", 3)
    assert bench.slept == pytest.approx([1, 5], rel=0.2)


async def test_after_the_last_attempt_it_has_failed_and_says_why() -> None:
    sent = await Bench(pager=FakeChannel(NO, NO, NO)).sends(alert())
    assert sent == [alert(delivery="failed", attempts=3, error="HTTP 500")]


async def test_what_the_channel_calls_final_is_not_tried_again() -> None:
    bench = Bench(pager=FakeChannel(Delivery(ok=False, final=True, detail="HTTP 400")))
    (sent,) = await bench.sends(alert())
    assert (sent.attempts, bench.slept) == (1, [])


async def test_a_channel_that_is_gone_is_not_called_again() -> None:
    gone = FakeChannel(Delivery(ok=False, final=True, gone=True, detail="HTTP 410"))
    sent = await Bench(pager=gone).sends(alert(1), alert(2))
    assert gone.seen == ["ALT-1"]
    assert sent[1].error == "the channel answered 410 (gone) and is disabled"


async def test_a_channel_that_hangs_holds_up_no_other() -> None:
    hanging = FakeChannel(hangs=True)
    bench = Bench(pager=hanging, chat=FakeChannel())
    bench.caught_up.set()
    async with bench:
        bench.write(*[alert(n) for n in range(20)], alert(99, channel="chat"))
        await bench.until(lambda: bool(bench.published))
    assert [a.id for a in bench.published] == ["ALT-99"]
    assert hanging.seen == ["ALT-0"]


async def test_a_queue_that_is_full_fails_what_comes_on_top() -> None:
    bench = Bench(pager=FakeChannel(hangs=True))
    bench.caught_up.set()
    async with bench:
        bench.write(*[alert(n) for n in range(QUEUE + 2)])
        await bench.until(lambda: bool(bench.published))
    assert {a.error for a in bench.published} == {f"{QUEUE} alerts are waiting already"}


async def test_order_is_kept_so_that_an_end_never_overtakes_its_beginning() -> None:
    channel = FakeChannel(NO, NO)
    await Bench(pager=channel).sends(alert(1), alert(2, status="resolved"))
    assert channel.seen == ["ALT-1", "ALT-1", "ALT-1", "ALT-2"]


async def test_nothing_is_sent_before_the_log_was_read_to_its_end() -> None:
    channel = FakeChannel()
    bench = Bench(pager=channel)
    async with bench:
        bench.write(alert(1), alert(2))
        await bench.settled()
        bench.write(alert(1, delivery="delivered"))
        await bench.settled()
        assert channel.seen == []
        bench.caught_up.set()
        await bench.until(lambda: bool(bench.published))
    assert channel.seen == ["ALT-2"]


async def test_an_alert_that_is_written_twice_is_sent_once() -> None:
    channel = FakeChannel()
    bench = Bench(pager=channel)
    bench.caught_up.set()
    async with bench:
        bench.write(alert(1))
        await bench.until(lambda: len(bench.published) == 1)
        bench.write(alert(1, delivery="delivered"), alert(1), alert(2))
        await bench.until(lambda: len(bench.published) == 2)
    assert channel.seen == ["ALT-1", "ALT-2"]


async def test_a_page_from_hours_ago_is_given_up() -> None:
    bench = Bench(pager=FakeChannel())
    bench.clock.advance(2 * 3_600)
    (sent,) = await bench.sends(alert())
    assert sent.error == "more than an hour old when it could be sent"


async def test_an_alert_for_a_channel_that_is_not_configured_fails() -> None:
    (sent,) = await Bench(pager=FakeChannel()).sends(alert(channel="fax"))
    assert sent.error == "no channel 'fax' is configured"


async def test_what_cannot_be_read_is_skipped() -> None:
    (sent,) = await Bench(pager=FakeChannel()).sends(b"not json", b'{"id": 1}', alert())
    assert sent.id == "ALT-1"


async def test_channels_are_closed_at_the_end() -> None:
    channel = FakeChannel()
    async with Bench(pager=channel):
        pass
    assert channel.closed


async def test_a_receiver_that_forgets_is_told_again_after_a_restart() -> None:
    channel = FakeChannel()
    channel.resend_s = 0.0
    bench = Bench(pager=channel)
    async with bench:
        bench.write(alert(delivery="delivered", attempts=1))
        await bench.until(bench.log.empty)
        bench.caught_up.set()
        await bench.until(lambda: len(channel.seen) >= 2)
    assert bench.published == []


# --- pauses and the outbox ------------------------------------------------------------------------


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_a_pause_is_never_shorter_than_the_receiver_asked(jitter: float) -> None:
    assert pause_s(1, 40.0, jitter) >= 40.0


def test_pauses_differ_by_a_fifth_at_most() -> None:
    assert [pause_s(3, None, jitter) for jitter in (0.0, 1.0)] == [24.0, 36.0]


def test_an_open_alert_is_due_again_and_again() -> None:
    outbox = Outbox(60.0)
    outbox.delivered(alert(), START_US)
    assert outbox.due_in_s(START_US) == 60.0
    for minute in (1, 2, 3):
        due = outbox.take_due(START_US + minute * 60 * SECOND_US)
        assert [a.id for a in due] == ["ALT-1"]


def test_an_end_is_repeated_a_few_times_and_replaces_the_beginning() -> None:
    outbox = Outbox(60.0)
    outbox.delivered(alert(), START_US)
    outbox.delivered(alert(status="resolved"), START_US)
    minutes = range(1, ENDS_REPEATED + 3)
    told = [outbox.take_due(START_US + minute * 60 * SECOND_US) for minute in minutes]
    assert [a.status for due in told for a in due] == ["resolved"] * ENDS_REPEATED
    assert outbox.due_in_s(START_US) is None


def test_a_receiver_that_remembers_is_never_told_again() -> None:
    outbox = Outbox(None)
    outbox.delivered(alert(), START_US)
    assert outbox.due_in_s(START_US) is None


def test_the_outbox_has_a_bound() -> None:
    outbox = Outbox(60.0)
    for number in range(MAX_STANDING + 5):
        outbox.delivered(alert(number), START_US)
    assert len(outbox.take_due(START_US + 60 * SECOND_US)) == MAX_STANDING
