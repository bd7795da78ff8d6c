"""What a bank is, and what it says of a value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    S = TypeVar("S", bound=DataclassInstance)
else:
    S = TypeVar("S")

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Cells = tuple[Rows, Rows]
"""(rows, members): entries of arrays that hold something for each row and member."""

MAX_SCORE: Final = 1e6
"""Beyond this a score says nothing more, and sums of scores stay finite."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a bank thinks of each row's value; one entry per row, in the unit of the value.

    score: 1.0 is the boundary.
    expected, lower, upper: where the score would be 0 and where it would be 1; infinite or NaN
        where there is no such place (a one-sided rule, a series still too young).
    above: the value lies above what was expected.
    column: which of the bank's values this speaks of; 0 for a bank on one value.
    shares: [row, value], what each adds to the score, 1 together; None where a bank cannot tell.
    """

    score: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    above: Bools
    column: Rows
    shares: Floats | None = None


class Bank(Protocol):
    """The state of one detector for all series of a kind, stepped together.

    ``rows`` are distinct row numbers, one per series; ``values`` is float64[n] for a bank on one
    value and float64[n, d] for a bank on several at once, finite, in the order of ``rows``.
    """

    state: Any
    """Everything a snapshot has to keep: one dataclass of arrays, numbers and plain containers,
    with a ``schema: Literal[...]`` that changes when an old state must not be taken up any more. A
    new bank of the same options that is given it scores and learns the same, bit for bit."""

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        """``row`` now stands for the series with these labels; forget what it held before."""
        ...

    def score(self, rows: Rows, values: Floats) -> Floats:
        """1.0 is the boundary, 0.5 half way to it. Changes nothing, never NaN for finite input."""
        ...

    def explain(self, rows: Rows, values: Floats) -> Reading:
        """The score with its reasons: ``explain(...).score`` equals ``score(...)``."""
        ...

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        """Take the values in; a weight of 0 leaves what is expected of a row as it was."""
        ...


@runtime_checkable
class Mergeable(Bank, Protocol):
    """What a bank can as well whose state sums up: several series in one, of one site or of many.

    A bank that is none of these has learned nothing that would hold elsewhere, or keeps models that
    do not add up (docs/decisions/0150).
    """

    def merged(self, state: Any) -> Any:
        """A state of one row, as if one series had seen what all rows of ``state`` have."""
        ...

    def inherit(self, row: int, kin: Any) -> None:
        """``row``, just admitted, begins with what ``merged`` gave; its own past soon outweighs it.

        Changes nothing where ``kin`` know too little.
        """
        ...


def picked(state: S, rows: Rows) -> S:
    """A state of only these rows."""
    return _by_arrays(lambda arrays: arrays[0][rows], [state])


def stacked(states: Sequence[S]) -> S:
    """A state of the rows of all, one after the other."""
    return _by_arrays(np.concatenate, states)


def grown(state: S, rows: Rows) -> S:
    """``state`` with zeroed rows added, by doubling, until ``rows`` exist; itself when they do."""
    need = int(rows.max()) + 1 if rows.size else 0
    names = _arrays_of(state)
    have = getattr(state, names[0]).shape[0]
    if need <= have:
        return state
    size = max(8, 2 * have, need)
    return replace(state, **{name: _longer(getattr(state, name), size) for name in names})


def cleared(state: S, row: int) -> S:
    """``state`` with ``row`` existing and zero in every array."""
    state = grown(state, np.array([row]))
    for name in _arrays_of(state):
        getattr(state, name)[row] = 0
    return state


def bounded(scores: Floats) -> Floats:
    """Scores as the contract wants them: finite and not negative."""
    # Not ``nan_to_num``: that takes ten calls, and this runs for every bank and window.
    return np.fmin(np.fmax(scores, 0.0), MAX_SCORE) + 0.0


def first_column(rows: Rows) -> Rows:
    """``Reading.column`` of a bank on one value."""
    return np.zeros(rows.size, np.int64)


def _by_arrays(make: Callable[[Sequence[Any]], Any], states: Sequence[S]) -> S:
    """The first state with ``make`` of the same array of all in the place of each."""
    made = {}
    for field in fields(states[0]):
        parts = [getattr(one, field.name) for one in states]
        if isinstance(parts[0], np.ndarray):
            made[field.name] = make(parts)
        elif is_dataclass(parts[0]):
            made[field.name] = _by_arrays(make, parts)
    return replace(states[0], **made)


def _arrays_of(state: "DataclassInstance") -> tuple[str, ...]:
    # Not ``fields``: this runs a dozen times per detector and window.
    names: tuple[str, ...] = getattr(state, "__match_args__")  # noqa: B009 (typed as without)
    return names


def _longer(array: npt.NDArray[np.generic], size: int) -> npt.NDArray[np.generic]:
    longer = np.zeros((size, *array.shape[1:]), array.dtype)
    longer[: array.shape[0]] = array
    return longer
