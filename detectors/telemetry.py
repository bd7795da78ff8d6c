"""The detectors that ask whether what is told can be believed; everybody gets them.

What they judge is what happens now, not how far it lies from a past: no lag, one window is enough.
"""

from typing import Any, Final

from detectors.settings import DetectorSettings


def _detector(kind: str, series: str, *values: str, **options: Any) -> DetectorSettings:
    return DetectorSettings.model_validate(
        {
            "kind": kind,
            "series": series,
            "values": values,
            "with": options,
            "lag_s": 0,
            "after_s": 0,
        }
    )


TELEMETRY: Final = (
    _detector("silence", "engine", "silent_s", least_s=10),
    _detector("silence", "gpu", "silent_s", least_s=20, by=["cluster"]),
    # A page that is repeated has levels that stand, and counters that do not count.
    _detector(
        "flat_line",
        "engine",
        "running_mean",
        "kv_use_ratio_mean",
        "output_tokens_per_s",
        least_s=20,
    ),
    # An idle GPU may show the same watts for a minute.
    _detector(
        "flat_line",
        "gpu",
        "power_w_mean",
        "temperature_c_mean",
        "util_ratio_mean",
        least_s=120,
        enough=12,
        by=["cluster"],
    ),
)
