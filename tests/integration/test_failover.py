"""A worker dies inside a transaction while demand jumps; `make bench-failover` measures it."""

from pathlib import Path

import pytest

from benchmarks.failover import fail_over, settings_for
from tests.streams.toys import new_prefix

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


WORKERS = 3
SESSION_S = 40
"""Of group and transaction: without a supervisor final windows stand still for so long."""


@pytest.mark.parametrize("helped", [True, False], ids=["supervised", "machine-lost"])
async def test_the_pool_is_raised_and_final_windows_go_on(
    kafka_url: str, tmp_path: Path, helped: bool
) -> None:
    settings = settings_for(kafka_url, new_prefix(), WORKERS, 6 if helped else SESSION_S)

    times, seen = await fail_over(
        settings, stage="ingest", workers=WORKERS, helped=helped, folder=tmp_path
    )

    assert times.floor_s > 0
    assert set(seen.passed_us) == set(range(WORKERS))
    if not helped:  # raised before the first final window after the death
        assert "seen before windows are final" in seen.reason
        assert seen.raised_us < min(seen.passed_us.values())
