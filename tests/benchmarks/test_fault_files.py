"""The contract of fault files, over all that are here."""

import copy
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from detectors.laboratory.cluster import CODEX, SORA, Cluster
from detectors.laboratory.drivers import Drivers
from detectors.laboratory.fault import Fault, Place, drawn_place
from detectors.laboratory.readings import KINDS, Columns, Readings
from detectors.laboratory.simulation import Simulation
from streams.errors import InvalidParameterError
from tidegate.bench.fault_files import load_faults
from tidegate.bench.traffic import azure_or_servegen

DIRECTORY = Path(__file__).parents[2] / "benchmarks" / "faults"
FAULTS = load_faults(DIRECTORY)
CLUSTER = Cluster(services=(CODEX, SORA), replicas=(3, 2), zones=2)
ONSET, SECONDS = 20, 70


@pytest.fixture(params=FAULTS, ids=lambda fault: fault.name)
def fault(request: pytest.FixtureRequest) -> Fault:
    assert isinstance(request.param, Fault)
    return request.param


def place_of(fault: Fault) -> Place:
    return drawn_place(CLUSTER, fault, ONSET, np.random.default_rng(1))


def drivers() -> Drivers:
    traffic = azure_or_servegen(np.random.default_rng(11), CLUSTER)
    return Drivers(
        cluster=CLUSTER, seconds=SECONDS, demand=traffic(0, SECONDS), rng=np.random.default_rng(6)
    )


def run(fault: Fault) -> Readings:
    driven = drivers()
    fault.drive(driven, place_of(fault), fault.magnitudes[0])
    readings = Simulation(CLUSTER, np.random.default_rng(4)).run(driven)
    fault.distort(readings, place_of(fault), fault.magnitudes[0])
    return readings


once = cache(run)
"""The same readings for all that only look at them."""


@cache
def twin() -> Readings:
    return Simulation(CLUSTER, np.random.default_rng(4)).run(drivers())


def same(left: Readings, right: Readings, seconds: slice) -> bool:
    return all(
        np.array_equal(values[seconds], right.series[kind][name][seconds], equal_nan=True)
        for kind in KINDS
        for name, values in left.series[kind].items()
    ) and all(
        np.array_equal(left.present[kind][seconds], right.present[kind][seconds]) for kind in KINDS
    )


def test_it_is_its_twin_before_the_onset_and_not_after(fault: Fault) -> None:
    faulty = once(fault)

    assert same(faulty, twin(), slice(ONSET))
    assert not same(faulty, twin(), slice(ONSET, None))


def test_the_same_seed_gives_the_same_windows(fault: Fault) -> None:
    first, again = once(fault), run(fault)

    assert same(first, again, slice(None))
    assert all(
        np.array_equal(spread.value, again.spreads[name].value)
        for name, spread in first.spreads.items()
    )


def test_its_label_says_what_should_be_found(fault: Fault) -> None:
    assert list(fault.must_find) == list(fault.magnitudes[: len(fault.must_find)])
    assert bool(fault.must_find) == (fault.kind != "benign")
    assert bool(fault.subjects and fault.causes) == (fault.kind != "benign")


def test_readings_make_windows_that_detectors_take(fault: Fault) -> None:
    columns = Columns(once(fault), "engine", 1)

    tables = [columns.table(number, number * 1_000_000) for number in range(columns.windows)]
    assert all(table is None or np.all(np.diff(table.series) > 0) for table in tables)


def test_there_are_enough_and_every_file_is_one() -> None:
    benign = [fault for fault in FAULTS if fault.kind == "benign"]
    assert (len(FAULTS) - len(benign) >= 16, len(benign) >= 5) == (True, True)
    assert sorted(fault.name for fault in FAULTS) == sorted(
        path.stem for path in DIRECTORY.glob("*.py")
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("x = 1", "FAULT must be a Fault", id="without-a-fault"),
        pytest.param("1 / 0", "ZeroDivisionError", id="that-fails"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "odd.py").write_text(text)

    with pytest.raises(InvalidParameterError, match=said):
        load_faults(tmp_path)


def test_a_directory_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="--faults must be a directory"):
        load_faults(tmp_path / "nowhere")


def test_two_of_a_name_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text((DIRECTORY / "surge.py").read_text())

    with pytest.raises(InvalidParameterError, match="surge"):
        load_faults(tmp_path)


def test_a_simulation_goes_on_where_it_was_copied() -> None:
    simulation = Simulation(CLUSTER, np.random.default_rng(5))
    simulation.run(drivers())

    assert same(copy.deepcopy(simulation).run(drivers()), simulation.run(drivers()), slice(None))


def test_every_driver_that_is_left_alone_is_usual() -> None:
    usual, again = drivers(), drivers()
    names = [one.name for one in fields(usual) if not one.init]

    assert all(np.array_equal(getattr(usual, name), getattr(again, name)) for name in names)
    assert replace(FAULTS[0], lasts_s=7).after_s == 7
