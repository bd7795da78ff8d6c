"""A worker dies inside a transaction while demand jumps; `make bench-failover` measures it."""

from pathlib import Path

import pytest

from benchmarks.failover import fail_over
from tests.streams.toys import new_prefix

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.mark.parametrize("helped", [True, False], ids=["supervised", "machine-lost"])
async def test_the_pool_is_raised_and_final_windows_go_on(
    kafka_url: str, tmp_path: Path, helped: bool
) -> None:
    times, seen = await fail_over(
        kafka_url, new_prefix(), stage="ingest", workers=3, helped=helped, folder=tmp_path
    )

    assert times.floor_s > 0
    assert set(seen.passed_us) == {0, 1, 2}
    if not helped:  # raised before the first final window after the death
        assert "seen before windows are final" in seen.reason
        assert seen.raised_us < min(seen.passed_us.values())
