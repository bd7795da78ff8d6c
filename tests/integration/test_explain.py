"""A past decision, found in a real log of decisions and told; all of them decided again."""

import pytest

from autoscaler.decide import decide, repeats
from autoscaler.decision_log import DecisionLog
from streams.admin import create_topics
from streams.batch import Message
from streams.clock import SECOND_US, system_clock
from streams.publisher import Publisher
from streams.stage import Out
from tests.autoscaler.test_decide import situation
from tests.streams.toys import new_prefix, toy_settings

pytestmark = pytest.mark.broker


async def test_the_decision_of_then_is_found_and_repeats(broker_url: str) -> None:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    now_us = system_clock()
    made = [
        decide(situation(pool=pool, now_us=now_us - ago_s * SECOND_US, upper=upper))
        for ago_s, pool, upper in [
            (300, "codex", 1.0),
            (60, "codex", 9.0),
            (59, "sora", 1.0),
            (30, "codex", 13.0),
            (0, "sora", 1.0),
        ]
    ]
    async with Publisher(settings) as publisher:
        for one in made:
            await publisher.send(Out(topic="decisions", key=one.pool, value=one))
    log = DecisionLog(settings)
    outcomes: list[bool] = []

    def take(message: Message) -> bool:
        outcomes.append(repeats(message.value or b""))
        return True

    await log.read(take)

    assert outcomes == [True] * 5
    assert await log.at("codex", "", now_us - 40 * SECOND_US) == made[1]
    assert await log.at("codex", "local", now_us) == made[3]
    assert await log.at("codex", "elsewhere", now_us) is None
    assert await log.at("codex", "", now_us - 170 * SECOND_US) is None
