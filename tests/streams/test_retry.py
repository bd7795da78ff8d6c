import asyncio
import random
from types import SimpleNamespace

import pytest

from streams.retry import Attempts, backoff_s, persist


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    spans: list[float] = []

    async def sleep(span_s: float) -> None:
        spans.append(span_s)

    # Of this module alone: a thread that another test left behind sleeps as well.
    ours = SimpleNamespace(**{**vars(asyncio), "sleep": sleep})
    monkeypatch.setattr("streams.retry.asyncio", ours)
    return spans


def test_pauses_double_up_to_the_longest_and_half_of_each_is_jitter() -> None:
    assert [backoff_s(n, 1.0, longest_s=0.3) for n in (1, 2, 3, 99)] == [0.1, 0.2, 0.3, 0.3]
    assert backoff_s(2, 0.0) == 0.1


async def test_what_fails_is_run_again_until_it_returns(slept: list[float]) -> None:
    errors: list[Exception] = []
    calls = iter([ValueError("a"), KeyError("b"), None])

    async def run() -> None:
        if (error := next(calls)) is not None:
            raise error

    attempts = Attempts(rng=random.Random(1))
    await persist(run, on_error=errors.append, attempts=attempts)

    assert [type(error) for error in errors] == [ValueError, KeyError]
    assert (attempts.failed, len(slept)) == (2, 2)
    assert slept[0] < slept[1]


async def test_after_a_success_the_count_starts_anew(slept: list[float]) -> None:
    attempts = Attempts(rng=random.Random(1))
    for _ in range(5):
        await attempts.pause()
    attempts.succeeded()
    await attempts.pause()

    assert slept[-1] <= 0.1
