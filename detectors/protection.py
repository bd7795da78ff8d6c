"""Raw scores in, how much may be learned of each out: an outage must not become normal."""

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Bools, Cells, Floats, Rows, cleared, grown

RELEARN_S: Final = 120.0
"""What scores above 1 is not learned, or an outage would become normal; but only this long: what
lasts is the new normal."""


@dataclass(slots=True)
class StrangeState:
    """Everything a snapshot has to keep."""

    windows: Floats
    """[row, member]: how many windows in a row the bank scored 1 or more."""
    schema: Literal[1] = field(default=1, kw_only=True)


class Protection:
    """What each window weighs when it is learned.

    learned: by member, whether it learns at all: a fixed meaning takes everything in.
    """

    def __init__(self, learned: Bools, *, step_s: float) -> None:
        self._learned = learned
        self._relearn = RELEARN_S / step_s
        self.state = StrangeState(np.zeros((0, learned.size)))

    def admit(self, row: int) -> None:
        self.state = cleared(self.state, row)

    def weights(self, cells: Cells, raw: Floats) -> tuple[Floats, Floats]:
        """What each score counts when it is learned: by the bank, and by the calibration."""
        state = self.state = grown(self.state, cells[0])
        lasts = state.windows[cells] = np.where(raw >= 1, state.windows[cells] + 1, 0)
        protected = self._learned[cells[1]] & (lasts <= self._relearn)
        # From half way to the boundary on, or what creeps up would widen its own band.
        doubt = np.clip(2 - 2 * raw, 0.0, 1.0)
        return (
            np.where(protected, doubt, 1.0),
            np.where(protected & (raw >= 1), 0.0, 1.0),
        )

    def is_usual(self, rows: Rows, member: int) -> Bools:
        """Nor the beginning of something strange is learned where it is known by now."""
        lasts = grown(self.state, rows).windows[rows, member]
        return np.asarray((lasts == 0) | (lasts > self._relearn))
