"""What scores are worth against labels, by the set: rankings, alerts, NAB's rules."""

from collections.abc import Mapping, Sequence
from typing import Final

from detectors.bench.scores.alerts import alerted
from detectors.bench.scores.nab import nab_scored
from detectors.bench.scores.ranking import ranked
from detectors.bench.worth import Measure

MEASURES: Final[Mapping[str, Sequence[Measure]]] = {
    "asd": (ranked, alerted),
    "ms_cloud": (ranked, alerted),
    "nab": (nab_scored,),
    "smd": (ranked, alerted),
}
