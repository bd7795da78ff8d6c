"""What is looked for where only engines speak: the usual, and fellows beside each other."""

from typing import Final

from detectors.defaults import DEFAULTS
from detectors.settings import DetectorSettings

_SLOW_TO_LOAD: Final = frozenset({"river", "isolation_forest"})
"""Their libraries take longer to load than a first look should."""

_FELLOWS: Final = tuple(
    DetectorSettings.model_validate(
        {
            "kind": "fellows",
            "series": "engine",
            "values": [value],
            "with": {"ratio": 2.0},
            "direction": "above",
            "min_abs": min_abs_s,
            "after_s": 4,
        }
    )
    for value, min_abs_s in (("inter_token_s_mean", 0.02), ("ttft_s_mean", 0.5))
)


def _by_what_engines_say(detector: DetectorSettings) -> DetectorSettings:
    """What is in flight is a gateway's word; without one, what the engine works on."""
    if detector.given != "in_flight_mean":
        return detector
    return detector.model_copy(update={"given": "running_mean"})


FIRST_LOOK: Final = (
    *(_by_what_engines_say(one) for one in DEFAULTS if one.kind not in _SLOW_TO_LOAD),
    *_FELLOWS,
)
