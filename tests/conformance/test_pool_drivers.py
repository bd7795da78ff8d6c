"""Every pool driver and replica program keeps its contract and stands in its table."""

import argparse
from pathlib import Path
from typing import get_args

import pytest

import model_backend.pools
import model_backend.replicas
import streams.sources
from model_backend.pools import POOL_DRIVERS
from model_backend.pools.base import PoolDriver
from model_backend.replicas import REPLICAS
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US, ManualClock
from streams.sources import SOURCES

POOL = PoolSettings(name="codex", service="codex", model="tiny", min_replicas=0, initial_replicas=0)


@pytest.fixture(params=POOL_DRIVERS)
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> PoolDriver:
    clock = ManualClock(SECOND_US)
    return POOL_DRIVERS[request.param](POOL, clock=clock, log_dir=tmp_path)


async def test_before_a_size_is_set_nothing_runs(driver: PoolDriver) -> None:
    assert await driver.observe() == []


async def test_a_size_of_nothing_is_nothing(driver: PoolDriver) -> None:
    await driver.scale(0)

    assert await driver.observe() == []


async def test_replicas_nobody_knows_are_ignored(driver: PoolDriver) -> None:
    await driver.drain("codex-9")
    await driver.stop("codex-9")

    assert await driver.observe() == []


async def test_closing_twice_does_no_harm(driver: PoolDriver) -> None:
    await driver.close()
    await driver.close()


def test_settings_offer_exactly_the_drivers_there_are() -> None:
    assert set(get_args(PoolSettings.model_fields["driver"].annotation)) == set(POOL_DRIVERS)


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replica_program_declares_options_of_its_own(name: str) -> None:
    parser = argparse.ArgumentParser()
    REPLICAS[name].add_arguments(parser)

    assert parser.parse_args([])


@pytest.mark.parametrize(
    ("package", "table"),
    [
        (model_backend.pools, POOL_DRIVERS),
        (model_backend.replicas, REPLICAS),
        (streams.sources, SOURCES),
    ],
)
def test_every_member_is_a_file_of_its_name(package: object, table: dict[str, object]) -> None:
    folder = Path(str(package.__file__)).parent  # type: ignore[attr-defined]

    assert list(table) == sorted(table)
    assert {f"{name}.py" for name in table} <= {path.name for path in folder.iterdir()}


async def test_a_dry_run_reports_fixed_addresses_and_what_it_would_do(tmp_path: Path) -> None:
    pool = POOL.model_copy(update={"address": "http://a:1/, http://b:2"})
    dry = POOL_DRIVERS["dry_run"](pool, clock=ManualClock(SECOND_US), log_dir=tmp_path)
    for _ in range(3):
        await dry.scale(4)

    assert [(r.replica, r.state, r.metrics_address) for r in await dry.observe()] == [
        ("codex-1", "ready", "http://a:1/metrics"),
        ("codex-2", "ready", "http://b:2/metrics"),
    ]
    assert list(getattr(dry, "would_have")) == ["scale to 4"]  # noqa: B009 - not in the contract
