"""The detectors of answers that come as fast as ever and are wrong; everybody gets them.

A replica is held against its fellows, which answer the same clients in the same minute: whoever
asks for short answers, or lowers a limit of tokens, does so at all of them. Unless a router keeps
clients to replicas: then what was asked of them differs as well (``ApartBank``).
"""

from typing import Any, Final

from detectors.settings import DetectorSettings

POOL: Final = ("cluster", "pool")


def _detector(
    kind: str, *values: str, options: dict[str, Any], after_s: float, **more: Any
) -> DetectorSettings:
    return DetectorSettings.model_validate(
        {
            "kind": kind,
            "series": "engine",
            "values": values,
            "with": options,
            "after_s": after_s,
            **more,
        }
    )


def _rule(value: str, *, after_s: float = 0, **more: Any) -> DetectorSettings:
    """A fixed meaning: changes excuse nothing."""
    return _detector("limit", value, after_s=after_s, graced=False, **more)


def _apart(
    part: str,
    whole: str,
    *given: str,
    over_s: float = 30,
    direction: str = "above",
    by: tuple[str, ...] = (),
    **options: Any,
) -> DetectorSettings:
    """One of many whose share or mean over the last ``over_s`` (half-life) is its own."""
    return _detector(
        "apart",
        f"{part}_per_s",
        f"{whole}_per_s",
        *(f"{one}_per_s" for one in given),
        options={"half_life_s": over_s, **options},
        smooth_s=over_s,
        direction=direction,
        by=by,
        after_s=3,
    )


def _most(value: str) -> DetectorSettings:
    """Most of all answers, where that was not always so: for who has no fellows, or as bad ones."""
    return _rule(value, smooth_s=10, after_s=10, options={"limit": 0.7, "armed": 1})


_LENGTH: Final[dict[str, Any]] = {
    "of": "mean",
    "direction": "both",
    "evidence": 12.0,
    "least": 0.7,
}
ANSWERS: Final = (
    # Half of the golden prompts: one that a model does not know is no fault of a GPU.
    _rule("golden_ratio_min", direction="below", options={"limit": 0.5, "normal": 1.0}),
    # Any at all, however long the interval is over which they were counted.
    _rule("corrupted_per_s", options={"limit": 0.001}),
    _apart("empty", "texts"),
    _apart("repeated", "stretches"),
    # What differs with what is asked is compared where that is the same.
    _apart("truncated", "ends", "prompt_tokens", least=0.35),
    # Lengths scatter by more than the bank allows for: more evidence, and more time for it.
    _apart("answer_tokens", "answers", "prompt_tokens", **_LENGTH, over_s=45),
    _most("empty_ratio"),
    _most("repeated_ratio"),
    # What befalls all at once only the past shows. Clients may do the same: it opens nothing where
    # nobody has changed anything.
    _apart("answer_tokens", "answers", **_LENGTH, over_s=20, past_s=600.0, by=POOL),
)
