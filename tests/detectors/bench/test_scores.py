"""Against what other implementations of the same scores gave for the same numbers."""

import numpy as np
import pytest

from detectors.bench.labelled import Windows
from detectors.bench.scores.alerts import AlertTruth, added, thresholds_for
from detectors.bench.scores.nab import NabTruth, best_threshold
from detectors.bench.scores.ranking import NO_PERIOD, auc_pr, period, vus_pr
from tests.detectors.bench.labelled import ROWS, labelled, score

EXACT = 1e-9
NAB_WINDOWS: tuple[Windows, ...] = (
    ((250, 299), (425, 449), (700, 700), (750, 774)),
    ((20, 60), (500, 539)),
    (),
)


@pytest.mark.parametrize(
    ("kind", "margin", "volume"),
    [
        pytest.param(0, 0, 0.4557574426479833, id="no-margin"),
        pytest.param(0, 1, 0.4557574426479833, id="a-margin-too-narrow-for-a-row"),
        pytest.param(0, 48, 0.7320067105396542, id="a-margin-of-a-day"),
        pytest.param(1, 48, 0.7283123865694012, id="another-score"),
    ],
)
def test_volume_under_the_surface(kind: int, margin: int, volume: float) -> None:
    assert vus_pr(labelled().label, score(kind), margin) == pytest.approx(volume, abs=EXACT)


@pytest.mark.parametrize(("kind", "area"), [(0, 0.5650052546674968), (1, 0.5550328778428767)])
def test_average_precision(kind: int, area: float) -> None:
    assert auc_pr(labelled().label, score(kind)) == pytest.approx(area, abs=EXACT)


def test_period_is_found_where_there_is_one() -> None:
    assert period(np.sin(np.arange(ROWS) * 2 * np.pi / 48)) == 48
    assert period(np.ones(ROWS)) == NO_PERIOD


@pytest.mark.parametrize(
    ("threshold", "false_alerts", "p90_s"),
    [pytest.param(1.2, 16, 5760.0, id="low"), pytest.param(1.5, 11, 13680.0, id="high")],
)
def test_alerts(threshold: float, false_alerts: int, p90_s: float) -> None:
    truth = AlertTruth(labelled())
    total = added([truth.count(score(kind), threshold) for kind in range(3)])

    assert (total.hits, total.events, total.false_alerts) == (9, 12, false_alerts)
    assert total.days == pytest.approx(41.5, abs=EXACT)
    assert float(np.median(total.delays_s)) == pytest.approx(5400.0, abs=EXACT)
    assert float(np.percentile(total.delays_s, 90)) == pytest.approx(p90_s, abs=EXACT)


def test_thresholds_at_budgets() -> None:
    truths, scores = [AlertTruth(labelled())] * 3, [score(kind) for kind in range(3)]

    found = thresholds_for(truths, scores, (0.1, 0.3, 5.0, 10.0))

    expected = [1.695114104939471, 1.5007756265229, 1.0, 0.98]
    assert found == pytest.approx(expected, abs=EXACT)


def test_no_threshold_keeps_within_a_budget_of_nothing() -> None:
    everywhere = np.ones(ROWS)
    assert thresholds_for([AlertTruth(labelled())], [everywhere], (0.0,)) == [np.inf]


@pytest.mark.parametrize(
    ("threshold", "total"),
    [
        pytest.param(1.0, -189.3012081772945, id="many-false-alarms"),
        pytest.param(1.5, 1.7096690497618154, id="few"),
        pytest.param(1.74, 43.18470920425526, id="best"),
    ],
)
def test_nab(threshold: float, total: float) -> None:
    truths = [NabTruth(labelled(windows=windows)) for windows in NAB_WINDOWS]
    gains = [truth.gain(score(kind), threshold) for kind, truth in enumerate(truths)]

    nab = 100 * sum(gains) / sum(truth.room for truth in truths)
    assert nab == pytest.approx(total, abs=EXACT)


def test_best_threshold_of_nab() -> None:
    truths = [NabTruth(labelled(windows=windows)) for windows in NAB_WINDOWS]
    assert best_threshold(truths, [score(kind) for kind in range(3)]) == pytest.approx(1.74)
