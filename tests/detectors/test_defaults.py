"""The built-in detectors exist, are of every bank, and can be built."""

from detectors.banks import BANKS
from detectors.banks.ensemble import LASTING
from detectors.defaults import DEFAULTS, OFFERED
from detectors.panel import Panel
from detectors.settings import DetectionSettings
from detectors.watch import KINDS
from tidegate.watch.detection import FIRST_LOOK

RULES = frozenset({"limit", "resets", "rise", "together"})


def test_every_default_can_be_built() -> None:
    settings = DetectionSettings(detectors=DEFAULTS)
    for kind in KINDS:
        Panel(kind, settings, interval_us=1_000_000)


def test_every_bank_is_used_or_offered() -> None:
    by_the_ensemble = set(LASTING) & set(BANKS)
    used = {one.kind for one in (*DEFAULTS, *FIRST_LOOK)} | by_the_ensemble
    assert used | OFFERED == set(BANKS)
    assert not used & OFFERED


def test_rules_with_a_fixed_meaning_have_no_grace() -> None:
    assert not any(one.graced for one in DEFAULTS if one.kind in RULES)


def test_what_is_learned_needs_a_deviation_that_matters() -> None:
    learned = [one for one in DEFAULTS if one.kind not in RULES and len(one.values) == 1]
    of_values = [one for one in learned if "least_s" not in one.options]
    assert all(one.min_abs > 0 and one.min_ratio > 0 for one in of_values)


def test_settings_survive_json() -> None:
    settings = DetectionSettings(detectors=DEFAULTS)
    dumped = settings.model_dump_json(by_alias=True)
    assert DetectionSettings.model_validate_json(dumped) == settings
