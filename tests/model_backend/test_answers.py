"""What is found in answers as they pass, and that nothing of them stays."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_backend.gateway.answers import HELD_BYTES, STRETCH_BYTES, Answer, Tally, repeats
from streams.schemas.telemetry import EngineSample
from tests.model_backend.gateway_world import CHAT, STREAM, World

PROSE = (
    "The gate opens before the tide arrives, and closes once it has gone. What lies behind it is "
    "served in turn: whoever came first, then whoever waited longest, and nobody twice. A replica "
    "that falls silent gets nothing new; its fellows take what it cannot finish, if they may. "
)
LOOP = "I cannot say more about this. "


def event(text: str, end: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": end}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def heard(*events: bytes) -> Answer:
    answer = Answer()
    for one in events:
        answer.take(one)
    answer.close()
    return answer


@pytest.mark.parametrize(
    ("text", "does"),
    [
        pytest.param(PROSE, False, id="prose"),
        pytest.param("!" * 200, True, id="one-token"),
        pytest.param(LOOP * 20, True, id="a-sentence"),
        pytest.param(
            "".join(f"{n}. The tide is high today.\n" for n in range(60)), True, id="counted-on"
        ),
        pytest.param(
            "".join(f"| row {n} | {n * n} | {n / 7:.2f} |\n" for n in range(40)), False, id="table"
        ),
        pytest.param(
            json.dumps([{"id": n, "ok": n % 3 == 0} for n in range(50)]), False, id="json"
        ),
    ],
)
def test_what_repeats_itself(text: str, does: bool) -> None:
    assert repeats(text.encode()) is does


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=40))
def test_stretches_do_not_depend_on_how_it_came(cuts: list[int]) -> None:
    text, parts = (PROSE * 20)[: 3 * STRETCH_BYTES + 20], []
    for cut in cuts:
        parts.append(text[:cut])
        text = text[cut:]
    answer = heard(*map(event, filter(None, [*parts, text])))

    assert (answer.stretches, answer.repeated) == (3, 0)


def test_a_loop_is_seen_while_it_goes_on() -> None:
    answer = Answer()
    for _ in range(STRETCH_BYTES // len(LOOP) + 1):
        answer.take(event(LOOP))

    assert (answer.stretches, answer.repeated) == (1, 1)


def test_of_what_comes_at_once_only_the_end_is_judged() -> None:
    assert heard(event(PROSE * 1_000)).stretches == HELD_BYTES // STRETCH_BYTES


def test_nothing_is_held_beyond_a_stretch() -> None:
    answer = Answer()
    for _ in range(100):
        answer.take(event(PROSE))

    assert len(answer._stretch) < STRETCH_BYTES


@pytest.mark.parametrize(
    ("events", "shows"),
    [
        pytest.param([event("Hi")], True, id="a-word"),
        pytest.param([event(" \n\t\r"), event("\n")], False, id="white-space"),
        pytest.param([event("\\n")], True, id="a-backslash-is-text"),
        pytest.param([event("")], False, id="nothing"),
        pytest.param([b'data: {"delta":{"arguments":"{}"}}\n\n'], True, id="a-tool-call"),
    ],
)
def test_what_shows(events: list[bytes], shows: bool) -> None:
    assert heard(*events).shows is shows


def test_words_of_an_answer_are_no_marks() -> None:
    said = event('"finish_reason": "length", "content": "')

    answer = heard(said, event("", "stop"))

    assert answer.end == b"stop"


def test_a_tally_adds_up() -> None:
    tally = Tally()
    tally.ended(heard(event(LOOP * 20), event("", "length")), 64)
    tally.ended(heard(event("", "stop")), 0)

    assert tally == Tally(
        ends=2,
        truncated=1,
        answers=2,
        answer_tokens=64,
        texts=2,
        empty=1,
        stretches=1,
        repeated=1,
    )


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["whole", "streamed"])
async def test_a_replica_that_says_nothing_is_told_of(body: object) -> None:
    async with World() as world:
        replica = await world.add()
        replica.tokens = []
        await (await world.ask(body)).read()
        world.tick(1)
        [sample] = [one for one in world.told("engine", EngineSample) if one.texts]

    assert (sample.answers, sample.answer_tokens, sample.empty) == (1, 0, 1)


async def test_a_stream_that_goes_round_in_circles_is_told_of_before_it_ends() -> None:
    async with World() as world:
        replica = await world.add()
        replica.tokens = [LOOP * 40]
        replica.middle.clear()
        answer = await world.begin(STREAM)
        await answer.content.readuntil(b"\n\n")
        world.tick(1)
        told = [(one.stretches, one.repeated) for one in world.told("engine", EngineSample)]
        replica.middle.set()
        await answer.read()

    assert told == [(1, 1)]


async def test_an_answer_whose_client_left_is_no_whole_one() -> None:
    async with World() as world:
        replica = await world.add()
        replica.middle.clear()
        answer = await world.begin(STREAM)
        answer.close()
        await replica.left.wait()
        world.tick(1)
        told = world.told("engine", EngineSample)

    assert [one.texts for one in told] == [0]
