"""The detectors everybody gets: rules with a fixed meaning first, then what is learned.

Numbers here are chosen for few false alarms on pools of any size: a deviation has to be large both
in the series' own terms and in absolute ones before anybody is told.
"""

from collections.abc import Mapping
from typing import Any, Final

from detectors.answers import ANSWERS, POOL
from detectors.settings import DetectorSettings
from detectors.telemetry import TELEMETRY
from streams.clock_events import mask_of

CLIENT: Final = ("cluster", "pool", "tenant")

HOT: Final = mask_of(["sw_thermal"])
HARDWARE_SLOWDOWN: Final = mask_of(["hw_slowdown", "hw_thermal", "hw_power_brake"])

GIB: Final = 2.0**30


def _detector(
    kind: str, series: str, *values: str, options: Mapping[str, Any], **more: Any
) -> DetectorSettings:
    return DetectorSettings.model_validate(
        {"kind": kind, "series": series, "values": values, "with": dict(options), **more}
    )


def _rule(
    kind: str, series: str, value: str, /, *, after_s: float = 0.0, **more: Any
) -> DetectorSettings:
    """A fixed meaning: changes excuse nothing."""
    return _detector(kind, series, value, graced=False, after_s=after_s, **more)


_REPLICAS: Final = (
    # Three silent scrapes: one may be lost to a busy machine, a killed process stays silent.
    _rule(
        "limit",
        "engine",
        "up_min",
        after_s=3,
        direction="below",
        options={"limit": 0.5, "normal": 1.0, "armed": 1},
    ),
    # That two lose a scrape at once is no chance, unless hardly anybody answers.
    _rule(
        "together",
        "engine",
        "up_min",
        after_s=2,
        direction="below",
        options={"limit": 0.5, "normal": 1.0, "armed": 1},
    ),
    _rule("resets", "engine", "restarts_per_s", options={"limit": 3, "over_s": 600}),
    _rule("limit", "engine", "stalled_s_max", after_s=2, options={"limit": 4.0}),
    *ANSWERS,
    # Both relative to what replicas of the pool show at the same number of requests in flight.
    _detector(
        "cusum",
        "engine",
        "inter_token_s_mean",
        given="in_flight_mean",
        direction="above",
        min_ratio=0.6,
        min_abs=0.05,
        # Its evidence is of what happens now, and weighs single windows itself.
        lag_s=0,
        after_s=4,
        options={"ratio": 2.0, "evidence": 10.0, "spread": 0.2, "warmup_s": 10},
    ),
    _detector(
        "ewma",
        "engine",
        "inter_token_s_mean",
        given="in_flight_mean",
        smooth_s=3,
        direction="above",
        min_ratio=1.5,
        min_abs=0.05,
        after_s=4,
        options={"half_life_s": 60, "sigmas": 6, "warmup_s": 20, "floor": 0.1},
    ),
    _rule(
        "rise",
        "engine",
        "rss_bytes_max",
        after_s=10,
        min_ratio=0.3,
        options={"limit": GIB, "over_s": 300, "warmup_s": 60},
    ),
    # What fills slower than that, and lasts: a leak of weeks is not found, one of an hour is.
    _rule(
        "rise",
        "engine",
        "rss_bytes_max",
        after_s=30,
        min_ratio=0.3,
        options={"limit": 2 * GIB, "over_s": 1800, "warmup_s": 300},
    ),
    # An engine that has been full for so long throws requests back and reads nothing new. A few
    # long jobs that meet are over sooner.
    _rule(
        "limit",
        "engine",
        "kv_use_ratio_min",
        smooth_s=5,
        after_s=120,
        options={"limit": 0.95},
    ),
    # Of the pool first: what befalls all is no matter of the replica that shows it first.
    *(
        _detector(
            "ewma",
            "engine",
            "prefix_hit_ratio_mean",
            by=by,
            smooth_s=5,
            direction="below",
            min_ratio=0.4,
            min_abs=0.1,
            after_s=after_s,
            # The cache of a new replica is empty, whatever its fellows have in theirs.
            pooled=False,
            options={"half_life_s": 300, "sigmas": 4, "warmup_s": 60, "floor": 0.03},
        )
        for by, after_s in ((POOL, 5), ((), 20))
    ),
    _detector(
        "ewma",
        "engine",
        "ttft_s_mean",
        smooth_s=5,
        direction="above",
        min_ratio=4,
        min_abs=2.5,
        # Not every second has a first token; that it lasts is what the mean is for.
        after_s=1,
        options={"half_life_s": 300, "sigmas": 6, "warmup_s": 60, "floor": 0.2},
    ),
    _detector(
        "river",
        "engine",
        "ttft_s_mean",
        direction="above",
        min_ratio=3,
        min_abs=4,
        after_s=4,
        options={"floor": 0.2},
    ),
    _detector(
        "isolation_forest",
        "engine",
        "in_flight_mean",
        "output_tokens_per_s",
        "cpu_ratio_mean",
        smooth_s=3,
        after_s=10,
        options={"sigmas": 8, "floors": [1.0, 3.0, 0.3]},
    ),
)

_DEMAND: Final = (
    _rule(
        "limit",
        "request",
        "rejected_per_s",
        by=CLIENT,
        smooth_s=2,
        after_s=2,
        options={"limit": 2.0},
    ),
    _rule(
        "limit",
        "request",
        "error_ratio",
        by=POOL,
        smooth_s=5,
        after_s=3,
        options={"limit": 0.3},
    ),
    # Most of what ends fails: three such seconds in a row are enough.
    _rule(
        "limit",
        "request",
        "error_ratio",
        by=POOL,
        smooth_s=1,
        after_s=2,
        options={"limit": 0.6},
    ),
    _detector(
        "burn_rate",
        "request",
        "failed_per_s",
        "finished_per_s",
        by=POOL,
        graced=False,
        after_s=5,
        options={"objective": 0.99},
    ),
    _rule("limit", "request", "queue_s_p95", by=POOL, smooth_s=5, after_s=5, options={"limit": 45}),
    # What clients send is no consequence of our changes, so a scale-up must not excuse it.
    _detector(
        "ewma",
        "request",
        "arrived_per_s",
        by=POOL,
        smooth_s=2,
        direction="above",
        min_ratio=1.0,
        min_abs=2.0,
        after_s=3,
        graced=False,
        options={"half_life_s": 120, "sigmas": 4, "warmup_s": 15, "floor": 0.3},
    ),
    # Of few requests only that none comes any more means something.
    *(
        _detector(
            "ewma",
            "request",
            "arrived_per_s",
            by=POOL,
            smooth_s=smooth_s,
            direction="below",
            min_ratio=min_ratio,
            min_abs=min_abs,
            after_s=10,
            graced=False,
            options={"half_life_s": 300, "sigmas": 4, "warmup_s": 60, "floor": 0.3},
        )
        for smooth_s, min_ratio, min_abs in ((5, 0.7, 2.0), (10, 0.93, 0.8))
    ),
    _detector(
        "ewma",
        "request",
        "queued_max",
        by=POOL,
        smooth_s=3,
        direction="above",
        min_ratio=2.0,
        min_abs=30,
        after_s=5,
        graced=False,
        options={"half_life_s": 60, "sigmas": 5, "warmup_s": 20, "floor": 4.0},
    ),
)

_GPUS: Final = (
    _rule("limit", "gpu", "xid_max", options={"limit": 1}),
    _rule("limit", "gpu", "throttle_reasons_max", options={"limit": 1, "mask": HARDWARE_SLOWDOWN}),
    # Twenty seconds of it are no gust: the air is too warm, or does not get there.
    _rule("limit", "gpu", "throttle_reasons_max", after_s=20, options={"limit": 1, "mask": HOT}),
    _detector(
        "ewma",
        "gpu",
        "power_limit_w_min",
        direction="below",
        min_ratio=0.1,
        min_abs=10.0,
        lag_s=30,
        after_s=10,
        options={"half_life_s": 3600, "sigmas": 4, "warmup_s": 60, "floor": 5.0},
    ),
    _rule("rise", "gpu", "nvlink_errors_max", options={"limit": 100, "over_s": 600}),
    _rule("rise", "gpu", "pcie_replays_max", options={"limit": 100, "over_s": 600}),
    _rule("rise", "gpu", "ecc_corrected_max", options={"limit": 100, "over_s": 600}),
    _rule("rise", "gpu", "ecc_uncorrected_max", options={"limit": 1, "over_s": 600}),
    _rule("rise", "gpu", "remapped_rows_max", options={"limit": 1, "over_s": 600}),
    _rule("limit", "gpu", "remap_failed_max", options={"limit": 1}),
    _rule("limit", "gpu", "recovery_action_max", options={"limit": 1}),
    _rule("limit", "gpu", "temperature_c_max", options={"limit": 95, "normal": 70}),
    _rule("limit", "gpu", "memory_temperature_c_max", options={"limit": 105, "normal": 80}),
)

OFFERED: Final = frozenset({"ensemble", "robust", "seasonal", "shift"})
"""Banks for those who know their series: the first for many values of steady series, the next for
values that burst, the last for hours of the day and week, which takes days to say anything. No
default uses them (docs/decisions/0122 says why not the ensemble)."""

DEFAULTS: Final[tuple[DetectorSettings, ...]] = (*_REPLICAS, *_DEMAND, *_GPUS, *TELEMETRY)
