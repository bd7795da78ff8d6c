"""Settings in, the detectors that run out: the built-in set or others, less what is left out."""

from detectors.defaults import DEFAULTS
from detectors.settings import DetectionSettings, DetectorSettings
from streams.errors import InvalidParameterError


def chosen(settings: DetectionSettings) -> tuple[DetectorSettings, ...]:
    """Raises InvalidParameterError for a name to leave out that no detector has.

    A name of the built-in set is none to complain of where others run.
    """
    detectors, left_out = settings.detectors or DEFAULTS, set(settings.without)
    known = {one.name for one in (*DEFAULTS, *detectors)}
    if unknown := sorted(left_out - known):
        raise InvalidParameterError(
            "detection.without", unknown[0], f"of {', '.join(sorted(known))}"
        )
    return tuple(one for one in detectors if one.name not in left_out)
