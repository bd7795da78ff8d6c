import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from autoscaler.engine import Engine
from autoscaler.profile.ask import Model, client
from autoscaler.profile.fit import fit
from autoscaler.profile.measure import Measured, measure
from autoscaler.profile.record import load_profile, profile_of
from autoscaler.profile.rounds import Bounds, Round, rounds
from autoscaler.profile.seen import Answer, Step, most_at_once, step_of
from streams.errors import InvalidParameterError, SourceUnavailableError
from streams.sources.access import Access
from tests.autoscaler.profile.engine_door import EngineDoor, opened

KNOWN = Engine(
    batch_s=((0, 0.02), (1, 0.03), (2, 0.031), (4, 0.06), (8, 0.07)),
    prompt_token_s=0.0008,
    resident_token_s=4e-6,
    slots=8,
)
"""With a jump between two and four answers, as engines have that compute in other ways then."""


def steps(rng: np.random.Generator, noise: float) -> list[Step]:
    loads = [(prompt, 0, 0) for prompt in (10, 100, 200, 400) * 3]
    loads += [(0, n, n * held) for n in (1, 2, 4, 8) * 2 for held in (20, 500)]
    return [
        Step(
            took_s=KNOWN.takes_s(*load) * float(np.exp(rng.normal(0, noise))),
            prompt=load[0],
            answers=load[1],
            resident=load[2],
        )
        for load in loads
    ]


@pytest.mark.parametrize(("noise", "within"), [(0.0, 0.001), (0.03, 0.05), (0.1, 0.15)])
def test_a_known_engine_is_found_again(noise: float, within: float) -> None:
    found = fit(steps(np.random.default_rng(5), noise), slots=8)

    assert found.engine.prompt_token_s == pytest.approx(KNOWN.prompt_token_s, rel=within)
    for load in ((300, 0, 0), (0, 1, 200), (0, 8, 800), (100, 4, 900)):
        assert found.engine.takes_s(*load) == pytest.approx(KNOWN.takes_s(*load), rel=within)
    assert found.error_ratio <= within


def test_too_few_rounds_are_no_profile() -> None:
    with pytest.raises(InvalidParameterError, match="some of prompts and some of answers"):
        fit([Step(took_s=0.1, prompt=5)], slots=1)


def answer(asked_s: float, *came_s: float, prompt: int = 10) -> Answer:
    return Answer(asked_s=asked_s, came_s=came_s, prompt_tokens=prompt, answer_tokens=len(came_s))


def test_a_step_is_taken_from_the_stretch_that_all_answers_share() -> None:
    asked = Round(in_flight=2, words=4, answer_tokens=6)
    answers = [
        answer(0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0),
        answer(0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.1),
    ]

    step = step_of(asked, answers)

    assert step is not None
    assert step.answers == 2
    assert step.took_s == pytest.approx(0.2)


def test_answers_that_waited_for_others_were_not_there_at_once() -> None:
    waited = [answer(0, 0.1, 0.5), answer(0, 0.2, 0.5), answer(0, 0.6, 0.9)]

    assert most_at_once(waited) == 2
    assert step_of(Round(in_flight=3, words=4, answer_tokens=2), waited) is None


def test_batches_and_prompts_stay_within_bounds() -> None:
    asked = list(rounds(Bounds(in_flight=5, prompt_words=80)))

    assert max(one.in_flight for one in asked) == 5
    assert max(one.words for one in asked) == 80
    assert sum(one.again for one in asked) == 1


async def profiled(url: str, bounds: Bounds, model: str = "") -> Measured:
    async with client() as session:
        return await measure(
            Model(session, Access(hint="set X"), url, model, 3), bounds, lambda _: None
        )


async def test_an_engine_is_profiled_through_its_door(tmp_path: Path) -> None:
    quick = Engine(batch_s=((0, 0.01), (3, 0.02)), prompt_token_s=0.0005, slots=3)
    page = 'vllm:cache_config_info{block_size="16",num_gpu_blocks="100",engine="0"} 1\n'
    door = EngineDoor(quick, metrics=page)
    running = asyncio.create_task(door.run())
    async with opened(
        web.post("/v1/chat/completions", door.complete),
        web.get("/v1/models", door.models),
        web.get("/metrics", door.page),
    ) as url:
        seen = await profiled(f"{url}/v1", Bounds(in_flight=8, prompt_words=200))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running

    found = profile_of(seen, url=url, model="small", at_us=1)

    assert (found.in_flight.value, found.in_flight.identified) == (3, True)
    assert (found.kv_tokens.value, found.kv_tokens.identified) == (1_600, True)
    assert found.engine().kv_tokens == 1_600
    assert found.prefix_reuse_ratio < 0.5  # the door has no cache, only the noise of this machine


async def test_what_may_be_used_is_a_bound() -> None:
    door = EngineDoor(Engine(batch_s=((0, 0.001),), prompt_token_s=0.0, slots=8))
    running = asyncio.create_task(door.run())
    async with opened(
        web.post("/v1/chat/completions", door.complete), web.get("/v1/models", door.models)
    ) as url:
        seen = await profiled(url, Bounds(in_flight=8, prompt_words=40, requests=20))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running

    assert seen.requests <= 20
    assert seen.stopped == "20 requests are used up"
    assert not seen.full


Answers = Callable[[web.Request], Awaitable[web.StreamResponse]]


def says(status: int, text: str, kind: str = "application/json", **headers: str) -> Answers:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=kind, headers=headers)

    return answer


ONE = says(200, '{"data": [{"id": "small"}]}')


@pytest.mark.parametrize(
    ("models", "complete", "model", "sentence"),
    [
        pytest.param(says(200, "<p>", "text/html"), ONE, "", "web page .HTML.", id="a-page"),
        pytest.param(says(401, ""), ONE, "", r"asks for a key .401.: set X", id="needs-a-key"),
        pytest.param(ONE, ONE, "big", "has no model 'big': give --model, one of small", id="model"),
        pytest.param(
            says(200, '{"data": [{"id": "a"}, {"id": "b"}]}'), ONE, "", "several models", id="many"
        ),
        pytest.param(ONE, ONE, "", "does not stream", id="no-streaming"),
        pytest.param(ONE, says(429, "", **{"Retry-After": "7"}), "", "again after 7 s", id="429"),
        pytest.param(ONE, says(500, "out of memory"), "", "500: out of memory", id="broken"),
        pytest.param(
            ONE, says(200, "data: {oh\n", "text/event-stream"), "", "broken JSON", id="no-json"
        ),
        pytest.param(
            ONE, says(200, "data: {}\n", "text/event-stream"), "", "streams no text", id="no-text"
        ),
    ],
)
async def test_what_is_wrong_is_said(
    models: Answers, complete: Answers, model: str, sentence: str
) -> None:
    async with opened(
        web.post("/v1/chat/completions", complete), web.get("/v1/models", models)
    ) as url:
        with pytest.raises(SourceUnavailableError, match=sentence):
            await profiled(url, Bounds(), model)


async def test_nobody_there_is_said() -> None:
    with pytest.raises(SourceUnavailableError, match="cannot be reached"):
        await profiled("http://127.0.0.1:9", Bounds())


def test_what_is_no_profile_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text("{}")
    with pytest.raises(InvalidParameterError, match="a file of `tidegate profile`"):
        load_profile(file)
