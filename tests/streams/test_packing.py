"""State <-> bytes: what comes back is the same, and what does not fit is refused."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest

from streams.errors import SnapshotError
from streams.packing import pack, unpack


@dataclass(slots=True)
class Kept:
    mean: npt.NDArray[np.float64]
    bits: npt.NDArray[np.uint64]
    by_name: Mapping[tuple[str, int], float | None] = field(default_factory=dict)
    schema: Literal[1] = 1


@dataclass(slots=True)
class KeptNext:
    mean: npt.NDArray[np.float64]
    bits: npt.NDArray[np.uint64]
    by_name: Mapping[tuple[str, int], float | None] = field(default_factory=dict)
    schema: Literal[2] = 2


@dataclass(slots=True)
class Whole:
    mean: npt.NDArray[np.int64]


def kept() -> Kept:
    mean = np.array([[0.1, np.nan], [np.inf, -0.0], [5e-324, 1e308]])
    names = {("z", 1): 0.1 + 0.2, ("a", 2): None}
    return Kept(mean, np.array([2**64 - 1], np.uint64), names)


def test_what_comes_back_is_the_same_to_the_bit_and_in_the_same_order() -> None:
    back = unpack(pack(kept()), Kept)
    assert back.mean.tobytes() == kept().mean.tobytes()
    assert back.mean.shape == (3, 2)
    assert back.bits.tolist() == [2**64 - 1]
    assert list(back.by_name.items()) == [(("z", 1), 0.1 + 0.2), (("a", 2), None)]


def test_arrays_that_come_back_can_be_changed_and_share_nothing() -> None:
    data = pack(kept())
    unpack(data, Kept).mean[:] = 7
    assert unpack(data, Kept).mean[0, 0] == 0.1


def test_an_empty_array_keeps_its_shape() -> None:
    back = unpack(pack(Kept(np.zeros((0, 8)), np.zeros(0, np.uint64))), Kept)
    assert back.mean.shape == (0, 8)


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        pytest.param(pack(kept()), KeptNext, r"schema", id="another-schema"),
        pytest.param(pack(Kept(np.ones(2), np.ones(2))), Kept, r"<f8, .*<u8", id="another-dtype"),  # type: ignore[arg-type]
        pytest.param(pack({"mean": ["<i8", [3], b"1234"]}), Whole, r"mean", id="too-few-bytes"),
        pytest.param(pack({"mean": ["<i8", [2**40], b""]}), Whole, r"mean", id="lies-of-its-size"),
        pytest.param(pack({"mean": [3]}), Whole, r"mean", id="no-array"),
        pytest.param(pack({}), Whole, r"mean", id="nothing"),
        pytest.param(pack(kept())[:-9], Kept, r"Kept", id="cut-short"),
        pytest.param(b"\xc1" * 9, Kept, r"Kept", id="garbage"),
        pytest.param(b"\x91" * 100_000, Kept, r"Kept", id="without-bottom"),
    ],
)
def test_what_does_not_fit_is_refused(data: bytes, kind: type, words: str) -> None:
    with pytest.raises(SnapshotError, match=words):
        unpack(data, kind)


def test_only_plain_state_is_packed() -> None:
    with pytest.raises(TypeError, match="deque_iterator is no plain state"):
        pack({"x": iter(deque())})


def test_only_arrays_are_read_beside_what_msgspec_knows() -> None:
    with pytest.raises(SnapshotError, match="no plain state"):
        unpack(pack({"a": 1}), deque)
