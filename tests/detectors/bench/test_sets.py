import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detectors.bench.labelled import Labelled, Refused
from detectors.bench.sets import SETS, read_set
from tests.detectors.bench.files import DAY, HOUR, write_arrays, write_cloud, write_nab


def only(name: str, data: Path) -> Labelled | Refused:
    (file,) = read_set(name, data)
    return file


@pytest.mark.parametrize("name", ["asd", "smd"])
def test_arrays_are_judged_behind_their_training_part(name: str, tmp_path: Path) -> None:
    write_arrays(tmp_path / name / "m.npz")

    file = only(name, tmp_path)

    assert isinstance(file, Labelled)
    assert (file.name, file.begin, file.trained) == (f"{name}/m.npz", 60, 60)
    assert file.values.shape == (160, 3)
    assert file.windows == ((100, 109),)


def test_rows_of_cloud_data_carry_their_labels(tmp_path: Path) -> None:
    write_cloud(tmp_path, values=["1.5", "", "inf"] + ["2"] * 97, labels="0" * 90 + "1" * 10)

    file = only("ms_cloud", tmp_path)

    assert isinstance(file, Labelled)
    assert (file.step_s, file.begin, file.trained) == (HOUR, 15, 0)
    assert file.windows == ((90, 99),)
    assert np.isnan(file.values[1:3, 0]).all()


def test_windows_of_nab_become_rows(tmp_path: Path) -> None:
    write_nab(tmp_path, windows={"real/a.csv": [["2020-01-02 00:00:00", "2020-01-02 05:00:00.00"]]})

    file = only("nab", tmp_path)

    assert isinstance(file, Labelled)
    assert file.times[24] - file.times[0] == DAY
    assert file.windows == ((24, 29),)


def test_any_subset_will_do(tmp_path: Path) -> None:
    assert [list(read_set(name, tmp_path)) for name in SETS] == [[]] * len(SETS)


def broken_archive(data: Path) -> str:
    path = data / "smd" / "m.npz"
    path.parent.mkdir()
    path.write_text("not an archive")
    return "smd/m.npz"


def missing_array(data: Path) -> str:
    (data / "asd").mkdir()
    np.savez(data / "asd" / "m.npz", train=np.zeros((2, 2)), test=np.zeros((2, 2)))
    return "asd/m.npz"


def other_columns(data: Path) -> str:
    write_arrays(data / "smd" / "m.npz", train=np.zeros((5, 2)))
    return "smd/m.npz"


def word_for_a_value(data: Path) -> str:
    return write_cloud(data, values=["much"] * 100)


def label_of_two(data: Path) -> str:
    return write_cloud(data, labels="2" * 100)


def other_head(data: Path) -> str:
    return write_cloud(data, head="time,value,label")


def no_rows(data: Path) -> str:
    return write_cloud(data, values=[])


def clock_that_stands(data: Path) -> str:
    return write_cloud(data, step_s=0)


def no_labels(data: Path) -> str:
    return write_nab(data, windows={})


def window_between_rows(data: Path) -> str:
    windows = {"real/a.csv": [["2020-01-02 00:00:01", "2020-01-02 05:00:00"]]}
    return write_nab(data, windows=windows)


def labels_that_are_no_json(data: Path) -> str:
    name = write_nab(data, windows={})
    (data / "nab/labels/combined_windows.json").write_text("{")
    return name


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (broken_archive, "must be arrays in a .npz file"),
        (missing_array, "label"),
        (other_columns, "train, test and label must be"),
        (word_for_a_value, "'much'"),
        (label_of_two, "Label must be 0 or 1, got '2'"),
        (other_head, "'TimeStamp' must be there"),
        (no_rows, "there must be rows"),
        (clock_that_stands, "time must move on"),
        (no_labels, "must have an entry"),
        (window_between_rows, "must begin and end at rows"),
        (labels_that_are_no_json, "Expecting property name"),
    ],
)
def test_a_bad_file_is_refused_by_name(
    write: Callable[[Path], str], reason: str, tmp_path: Path
) -> None:
    name = write(tmp_path)

    refused = only(name.partition("/")[0], tmp_path)

    assert isinstance(refused, Refused)
    assert refused.name == name
    assert reason in refused.reason


def test_the_others_go_on(tmp_path: Path) -> None:
    write_cloud(tmp_path, name="a.csv", head="x")
    write_cloud(tmp_path, name="b.csv")
    assert [type(file) for file in read_set("ms_cloud", tmp_path)] == [Refused, Labelled]


def test_labels_are_valid_json_with_windows_of_all_files(tmp_path: Path) -> None:
    write_nab(tmp_path, windows={"real/a.csv": [], "real/elsewhere.csv": []})
    assert json.loads((tmp_path / "nab/labels/combined_windows.json").read_text())
    assert isinstance(only("nab", tmp_path), Labelled)
