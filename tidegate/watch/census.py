"""Series and targets of a Prometheus in, engines and GPUs among them out, under lasting names."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from streams.sources import gpu_names
from streams.sources.dcgm import uuid_of
from streams.sources.prometheus_series import TargetKey, target_of
from streams.sources.recognise import said_by
from tidegate.watch.understood import Found, Watched, called, plain

Labels = Mapping[str, str]
Scraped = tuple[TargetKey, bool]
"""A target, and whether it answered last."""


class Census:
    """Who there is. Who was named once keeps the name, also where another of a like name comes."""

    def __init__(self) -> None:
        self._watched: dict[TargetKey, Watched] = {}

    @property
    def watched(self) -> Sequence[Watched]:
        return list(self._watched.values())

    def take(self, series: Sequence[Labels], scraped: Sequence[Scraped]) -> None:
        """All there is now; who is gone is forgotten, who is silent is not."""
        found = engines(series)
        everyone = [*found, *silent(found, scraped)]
        keys = [one.key for one in everyone if isinstance(one.key, TargetKey)]
        before = self._watched
        self._watched = {
            key: replace(before.get(key, fresh), found=fresh.found)
            for key, fresh in zip(keys, called(everyone), strict=True)
        }


def engines(series: Iterable[Labels]) -> list[Found]:
    """One for each target that has series of an engine, or of GPUs."""
    by_target: defaultdict[TargetKey, list[Labels]] = defaultdict(list)
    for labels in series:
        by_target[target_of(labels)].append(labels)
    return [_engine(key, members) for key, members in sorted(by_target.items())]


def _engine(key: TargetKey, series: Sequence[Labels]) -> Found:
    def first(*names: str) -> str:
        values = (labels.get(name, "") for name in names for labels in series)
        return next(filter(None, values), "")

    names = {labels["__name__"] for labels in series}
    return Found(
        key=key,
        address=key.instance,
        engine=said_by(names - gpu_names.NAMES or names),
        gpus=len({uuid for labels in series if (uuid := uuid_of(labels))}),
        serves=not names <= gpu_names.NAMES,
        model=first("model_name", "model"),
        replica=first("pod") or key.instance,
        place=plain("-".join(filter(None, (key.cluster, first("namespace"), key.job)))),
    )


def silent(found: Sequence[Found], scraped: Iterable[Scraped]) -> Iterator[Found]:
    """Targets that do not answer, in jobs in which all that do are engines.

    They count as fellows of those: what else should they be. In a job of all kinds of pods nobody
    knows.
    """
    fellow = {key: one for one in found if isinstance(key := one.key, TargetKey)}
    jobs: defaultdict[tuple[str, str], list[Scraped]] = defaultdict(list)
    for key, up in scraped:
        jobs[key.cluster, key.job].append((key, up))
    for members in jobs.values():
        answering = [fellow.get(key) for key, up in members if up]
        like = answering[0] if answering and all(answering) else None
        for key, up in members:
            if like and not up:
                known = fellow.get(key, like)
                name = known.replica if key in fellow else key.instance
                gpus = known.gpus if key in fellow else 0  # Nobody knows how many there are.
                yield replace(
                    known, key=key, address=key.instance, replica=name, gpus=gpus, up=False
                )
