"""Engine samples in, changes out: another model, another version, a new adapter, a restart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from streams.clock import SECOND_US
from streams.schemas.telemetry import Change, ChangeKind, EngineSample
from streams.series import build_of
from streams.sources.engines import MAX_TEXT
from streams.sources.targets import MAX_TARGETS

AGAIN_US: Final = 60 * SECOND_US
"""The same is told of a replica once in so long: behind one address may stand several engines."""
MAX_ADAPTERS: Final = 256
"""Of one replica; when more have served, those are no news any more."""

R = TypeVar("R", bound=msgspec.Struct)
_What = tuple[str, ChangeKind, str]
"""(word for the id, kind of the change, sentence)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What a replica ran when it was last seen. adapters: that served; loaded: if it says so.

    coming: other models than those, seen once: a page may have been cut.
    """

    engine: str
    version: str
    models: frozenset[str]
    adapters: frozenset[str]
    loaded: frozenset[str] | None = None
    coming: frozenset[str] | None = None


class EngineLoads:
    """Compares each replica with itself; what is seen for the first time is no change.

    The one that was seen longest ago is forgotten when there are too many.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._told_us: dict[tuple[str, str], int] = {}

    def with_changes(self, record: R) -> Iterator[R | Change]:
        """The record, and what changed if it is a sample of an engine."""
        yield record
        if isinstance(record, EngineSample):
            yield from self.seen(record)

    def seen(self, sample: EngineSample) -> list[Change]:
        """Only what an engine itself says counts."""
        if not sample.engine or not sample.up:
            return []
        key = f"{sample.cluster}/{sample.pool}/{sample.replica}"
        before = self._known.pop(key, None)
        self._known[key] = now = _now(before, sample)
        if len(self._known) > MAX_TARGETS:
            del self._known[next(iter(self._known))]
        if before is None:
            return []
        what = _differences(before, now, sample)
        build = build_of(now.engine, now.version, now.models)
        return [
            _change(sample, key, *each).but(attributes={"build": build})
            for each in what
            if self._is_news(key, each[0], sample.at_us)
        ]

    def _is_news(self, key: str, word: str, at_us: int) -> bool:
        last_us = self._told_us.get((key, word))
        if last_us is not None and 0 <= at_us - last_us < AGAIN_US:
            return False
        self._told_us.pop((key, word), None)
        self._told_us[key, word] = at_us
        if len(self._told_us) > MAX_TARGETS:
            del self._told_us[next(iter(self._told_us))]
        return True


def _now(before: _Known | None, sample: EngineSample) -> _Known:
    models = _names(sample.model)
    adapters = _names(sample.adapters)
    loaded = _loaded(sample.adapters_loaded)
    if before is None:
        return _Known(
            engine=sample.engine,
            version=sample.version,
            models=models,
            adapters=adapters,
            loaded=loaded,
        )
    settled = not models or models in {before.models, before.coming}
    return _Known(
        engine=sample.engine,
        version=sample.version or before.version,
        models=models if models and settled else before.models,
        adapters=before.adapters | adapters
        if len(before.adapters) <= MAX_ADAPTERS
        else before.adapters,
        loaded=before.loaded if loaded is None and not sample.restarts else loaded,
        coming=None if settled else models,
    )


def _names(text: str) -> frozenset[str]:
    """None of a list that was too long to be whole."""
    return frozenset(text.split(",")) - {""} if len(text) < MAX_TEXT else frozenset()


def _differences(before: _Known, now: _Known, sample: EngineSample) -> Iterator[_What]:
    served = ", ".join(sorted(now.models)) or "its model"
    if sample.restarts:
        yield "restarted", "model_loaded", f"was started anew and loaded {served}"
    if (now.engine, now.version) != (before.engine, before.version or now.version):
        was, runs = (f"{one.engine} {one.version}".strip() for one in (before, now))
        yield "version", "deployed", f"runs {runs} instead of {was}"
    came, went = now.models - before.models, before.models - now.models
    if before.models and (came or went):
        yield "models", "model_loaded", _swapped(sorted(came), sorted(went))
    if before.loaded is not None and now.loaded is not None:
        came, went = now.loaded - before.loaded, before.loaded - now.loaded
        if came or went:
            changed = _swapped(sorted(came), sorted(went), "adapter ")
            yield f"loaded/{','.join(sorted(came ^ went))}", "model_loaded", changed
    elif len(now.adapters) <= MAX_ADAPTERS and (new := now.adapters - before.adapters):
        names = ", ".join(sorted(new))
        yield f"adapters/{names}", "model_loaded", f"serves with adapter {names} for the first time"


def _swapped(came: list[str], went: list[str], what: str = "") -> str:
    if came and went:
        return f"serves {what}{', '.join(came)} instead of {', '.join(went)}"
    return f"loaded {what}{', '.join(came)}" if came else f"unloaded {what}{', '.join(went)}"


def _loaded(text: str) -> frozenset[str] | None:
    """None where it does not say, or not all."""
    return None if not text or len(text) >= MAX_TEXT else _names(text) - {"-"}


def _change(sample: EngineSample, key: str, word: str, kind: ChangeKind, sentence: str) -> Change:
    return Change(
        id=f"{key}/{word}/{sample.at_us}",
        at_us=sample.at_us,
        kind=kind,
        summary=f"{sample.replica} {sentence}",
        actor=sample.engine,
        cluster=sample.cluster,
        pool=sample.pool,
        replica=sample.replica,
    )
