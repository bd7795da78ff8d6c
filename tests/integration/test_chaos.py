"""Workers killed, frozen, joining and leaving, the broker restarted: nothing lost, nothing double.

The long form is ``make bench-chaos``.
"""

from pathlib import Path

import pytest

from tests.chaos.run import Plan, happen, verdict
from tests.services import Kafka
from tests.streams.toys import new_prefix

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SEED = 1


async def test_what_comes_out_is_what_an_undisturbed_run_gives(
    kafka: Kafka, tmp_path: Path
) -> None:
    plan = Plan(seed=SEED, events=40_000, per_s=1_200, disturbances=4, others=("plan",))
    happened = await happen(plan, kafka, new_prefix(), tmp_path)
    wrong = verdict(happened)
    assert not wrong, f"seed {SEED}: {wrong}; {happened.done}"


async def test_with_a_broken_transaction_it_is_not(kafka: Kafka, tmp_path: Path) -> None:
    plan = Plan(
        seed=SEED,
        events=8_000,
        per_s=500,
        disturbances=3,
        stages=("ingest",),
        kinds=("kill",),
        others=("watch", "respond"),
        module=("tests.chaos.worker",),
    )
    happened = await happen(plan, kafka, new_prefix(), tmp_path)
    assert verdict(happened).startswith("windows ")
