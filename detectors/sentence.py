"""A finding in, one sentence with its numbers out."""

from streams.clock_events import names
from streams.windows.features import Value


def sentence(value: Value, actual: float, lower: float | None, upper: float | None) -> str:
    """What was seen and what was expected.

    >>> from streams.windows.features import find_value
    >>> sentence(find_value("engine", "inter_token_s_p95"), 0.61, 0.06, 0.12)
    'inter_token_s_p95 is 0.61 s, expected 0.06 to 0.12 s'
    >>> sentence(find_value("engine", "up_min"), 0.0, 0.5, None)
    'up_min is 0, expected at least 0.5'
    >>> sentence(find_value("gpu", "throttle_reasons_max"), 0x44, None, 1)
    'throttle_reasons_max is power_cap, hw_thermal'
    """
    if value.unit == "bits":
        return f"{value.name} is {', '.join(names(int(actual))) or 'none'}"
    unit = "" if value.unit in {"ratio", "code", "flag"} else f" {value.unit}"
    seen = f"{value.name} is {number(actual)}{unit}"
    if lower is not None and upper is not None and lower > 0:
        return f"{seen}, expected {number(lower)} to {number(upper)}{unit}"
    if upper is not None:
        return f"{seen}, expected at most {number(upper)}{unit}"
    if lower is not None:
        return f"{seen}, expected at least {number(lower)}{unit}"
    return seen


def number(value: float) -> str:
    """Three digits, large ones whole.

    >>> number(0.12345), number(123456.7)
    ('0.123', '123457')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
