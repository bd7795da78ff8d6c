"""Runs in, one picture out: replicas over time under each policy, and what each missed."""

from collections.abc import Mapping
from html import escape
from typing import Final

import numpy as np

from autoscaler.backtest.policy import Floats
from autoscaler.backtest.run import Run

WIDTH: Final = 1_000
BAND: Final = 150
"""Height of each policy's part."""
COLUMNS: Final = 500


def chart(runs: Mapping[str, Run]) -> str:
    """An SVG: per policy the replicas paid for, those in use, and the share missed, in red."""
    most = max(int(one.paid.max()) for one in runs.values())
    parts = [_band(name, one, most, top * BAND) for top, (name, one) in enumerate(runs.items())]
    height = BAND * len(runs)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _band(name: str, one: Run, most: int, top: int) -> str:
    paid = _averaged(one.paid)
    used = _averaged(one.seconds.in_flight) / one.shape.slots
    missed = _averaged(one.missed) / np.maximum(_averaged(one.seconds.arrived), 1e-9)
    hours = len(one.paid) / 3_600
    text = f"{escape(name)}: up to {most} replicas over {hours:,.1f} h; red: share missed"
    return (
        _line(paid / most, top, "steelblue", 1.5)
        + _line(used / most, top, "gray", 1)
        + _line(np.minimum(missed, 1.0), top, "red", 1)
        + f'<text x="4" y="{top + 14}">{text}</text>'
        f'<path d="M0 {top + BAND}H{WIDTH}" stroke="lightgray"/>'
    )


def _averaged(column: np.typing.NDArray[np.int32]) -> Floats:
    edges = np.linspace(0, len(column), min(COLUMNS, len(column)) + 1).astype(np.int64)
    means: Floats = np.add.reduceat(column, edges[:-1]) / np.diff(edges)
    return means


def _line(share: Floats, top: int, colour: str, width: float) -> str:
    """``share`` 0 to 1 from the bottom of the band to just under its title."""
    x = np.linspace(0, WIDTH, len(share))
    y = top + BAND - 2 - share * (BAND - 24)
    points = " ".join(f"{across:.1f},{down:.1f}" for across, down in zip(x, y, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
