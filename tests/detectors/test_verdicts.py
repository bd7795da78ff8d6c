import numpy as np
import pytest

from detectors.banks.base import Floats
from detectors.jury import Judged, Jury
from detectors.settings import DetectorSettings
from detectors.verdicts import MAX_EACH, MAX_PLACES, MOST, Verdicts
from streams.schemas.telemetry import Change
from streams.series import series_hex

FEATURE = "engine.ttft_s_mean"
ROWS, ROW_OF = np.array([0, 1]), {-7: 0, 8: 1}


def said(verdict: str, peak: float | str = 2.0, anomaly: str = "A-1", series: int = -7) -> Change:
    return Change(
        id=f"{anomaly}-{verdict}",
        at_us=0,
        kind="feedback",
        summary="",
        attributes={
            "anomaly": anomaly,
            "verdict": verdict,
            "series_id": series_hex(series),
            "feature": FEATURE,
            "peak_score": str(peak),
        },
    )


def after(*changes: Change) -> list[float]:
    verdicts = Verdicts()
    for change in changes:
        verdicts.take(change)
    tolerances = verdicts.tolerances(ROWS, ROW_OF, [FEATURE])
    return [float(one) for one in np.broadcast_to(tolerances, ROWS.shape)]


@pytest.mark.parametrize(
    ("changes", "tolerance"),
    [
        pytest.param([], 1.0, id="nothing-said"),
        pytest.param([said("wrong")], 2.5, id="wrong-moves-it-beyond"),
        pytest.param([said("wrong"), said("wrong", 3.0, "A-2")], 3.75, id="the-strongest-counts"),
        pytest.param([said("wrong"), said("withdrawn")], 1.0, id="until-it-is-taken-back"),
        pytest.param([said("wrong"), said("right")], 1.0, id="or-said-to-be-right"),
        pytest.param([said("wrong", 4.0), said("right", 2.0, "A-2")], 1.6, id="right-ones-stay"),
        pytest.param([said("right", 1.0)], 1.0, id="right-alone-moves-nothing"),
        pytest.param([said("wrong", 400.0)], MOST, id="not-without-end"),
        pytest.param([said("wrong", "nan")], 1.0, id="no-number"),
        pytest.param([said("wrong", "much")], 1.0, id="nor-this"),
        pytest.param(
            [Change(id="c", at_us=0, kind="feedback", summary="")], 1.0, id="nothing-in-it"
        ),
    ],
)
def test_the_boundary_follows_what_people_say(changes: list[Change], tolerance: float) -> None:
    assert after(*changes) == [tolerance, 1.0]


def test_other_features_are_left_alone() -> None:
    verdicts = Verdicts()
    verdicts.take(said("wrong"))
    assert verdicts.tolerances(ROWS, ROW_OF, ["engine.up_min"]) == 1.0


def test_memory_is_bounded() -> None:
    verdicts = Verdicts()
    for number in range(2 * MAX_EACH):
        verdicts.take(said("wrong", anomaly=f"A-{number}"))
    for series in range(2 * MAX_PLACES):
        verdicts.take(said("wrong", series=series))
    given = verdicts.state.given
    assert (len(given), max(map(len, given.values()))) == (MAX_PLACES, 1)


def test_the_same_finding_is_not_made_again_and_a_stronger_one_is() -> None:
    settings = DetectorSettings(kind="ewma", series="engine", values=("ttft_s_mean",), lag_s=0)
    jury = Jury([settings], step_s=1.0)
    jury.admit(0, {})
    row, rng = np.array([0]), np.random.default_rng(1)

    def step(value: float, tolerance: Floats | float = 1.0) -> Judged:
        wanted = np.array([[True]])
        return jury.step(row, np.array([[value]]), wanted, 1e-6, lambda *_: tolerance)

    for value in rng.normal(1.0, 0.1, 200):
        step(float(value))
    found = step(2.0)
    verdicts = Verdicts()
    verdicts.take(said("wrong", float(found.score[0])))
    tolerance = verdicts.tolerances(row, ROW_OF, [FEATURE])
    again = step(2.0, tolerance)
    worse = step(2.6, tolerance)
    assert found.score[0] >= 1 > again.score[0]
    assert again.lower[0] < 2.0 < again.upper[0]
    assert worse.score[0] >= 1
