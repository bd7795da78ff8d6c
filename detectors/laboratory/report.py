"""Trials and quiet time in, the figures that goals are set for out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from scipy.stats import chi2

from detectors.laboratory.fault import GOAL_S, Fault, Kind
from detectors.laboratory.trial import Result

WEEK_DAYS = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Time of one cluster without a fault; titles of what somebody was disturbed for.

    series, pools: of all its teams. pools_kept: so many of these kept their SLO in all that time;
    missed_ratio: of all requests. Where it is missed, users had a word to say, and a page may well
    be right: it counts as false all the same.
    """

    seed: int
    days: float
    teams: int
    series: int
    pages: tuple[str, ...]
    pools: int
    pools_kept: int
    missed_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What became of one fault at one magnitude; delays are of those found, in seconds."""

    fault: str
    kind: Kind
    magnitude: float
    must: bool
    """Stated by the file as one that should be found."""
    trials: int
    found: int
    paged: int
    right_subject: int
    right_cause: int
    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """All stated magnitudes of one kind of fault.

    p95_s: over all trials; infinite (None) where more than a twentieth was not found.
    """

    kind: Kind
    trials: int
    found: int
    right_subject: int
    right_cause: int
    p50_s: float | None
    p95_s: float | None
    goal_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Pages for nothing, a week and team, with the bound that so much time allows to claim.

    team_days, series_days: teams and series times days. budget_per_week: what a team stands.
    claimed: that the budget is kept, as the whole of what is likely lies below it.
    clusters: with how many of their pools kept their SLO: the check that the time was quiet.
    """

    team_days: float
    series_days: float
    clusters: tuple[Quiet, ...] = field(repr=False)
    pages: tuple[str, ...]
    per_week: float
    upper_95_per_week: float
    budget_per_week: float
    claimed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    curves: tuple[Curve, ...]
    sums: tuple[Sum, ...]
    quiet: Silence
    benign_trials: int
    benign_paged: tuple[str, ...]
    found_ratio: float | None
    """Of all stated faults."""
    trials: tuple[Result, ...] = field(repr=False)


def report(
    faults: Sequence[Fault], trials: Sequence[Result], quiet: Sequence[Quiet], budget: float
) -> Report:
    """The figures; ``budget`` is false pages a week."""
    by_name = {fault.name: fault for fault in faults}
    must = [one for one in trials if one.magnitude in by_name[one.fault].must_find]
    benign = [one for one in trials if one.kind == "benign"]
    return Report(
        curves=tuple(_curves(by_name, trials)),
        sums=tuple(_sum(kind, must) for kind in GOAL_S if any(one.kind == kind for one in must)),
        quiet=silence(quiet, budget),
        benign_trials=len(benign),
        benign_paged=tuple(one.sentence() for one in benign if one.paged_s is not None),
        found_ratio=_share(must),
        trials=tuple(trials),
    )


def silence(quiet: Sequence[Quiet], budget: float) -> Silence:
    """Pages of quiet time as a rate, and its upper bound by the Poisson distribution.

    >>> week = Quiet(
    ...     seed=1, days=7, teams=1, series=40, pages=(), pools=2, pools_kept=2, missed_ratio=0.0
    ... )
    >>> round(silence([week], budget=1.0).upper_95_per_week, 2)
    3.0
    >>> [silence([week] * weeks, budget=1.0).claimed for weeks in (2, 3)]
    [False, True]
    """
    days = sum(one.days * one.teams for one in quiet)
    pages = tuple(title for one in quiet for title in one.pages)
    weeks = days / WEEK_DAYS
    upper = most_likely_at_most(len(pages)) / weeks if weeks else float("inf")
    return Silence(
        team_days=days,
        series_days=sum(one.days * one.series for one in quiet),
        clusters=tuple(quiet),
        pages=pages,
        per_week=len(pages) / weeks if weeks else 0.0,
        upper_95_per_week=upper,
        budget_per_week=budget,
        claimed=upper <= budget,
    )


def most_likely_at_most(count: int) -> float:
    """The mean of a Poisson distribution that gives ``count`` or less once in twenty times.

    >>> [round(most_likely_at_most(count), 2) for count in (0, 1, 5)]
    [3.0, 4.74, 10.51]
    """
    return float(chi2.ppf(0.95, 2 * (count + 1)) / 2)


def table(found: Report) -> Iterator[str]:
    """Lines for people."""
    yield f"{'fault':24}{'magnitude':>10}  found  paged  who  why  p50 s  p95 s"
    for one in found.curves:
        yield (
            f"{one.fault:24}{one.magnitude:>10g}{'*' if one.must else ' '}"
            f" {one.found:>2}/{one.trials:<2}  {one.paged:>4}  {one.right_subject:>3}"
            f"  {one.right_cause:>3}  {_shown(one.p50_s):>5}  {_shown(one.p95_s):>5}"
        )
    yield "* should be found"
    for each in found.sums:
        yield (
            f"{each.kind}: {each.found} of {each.trials} found, {each.right_subject} named, "
            f"{each.right_cause} with the right cause, p50 {_shown(each.p50_s)} s, "
            f"p95 {_shown(each.p95_s)} s (goal {each.goal_s:g} s)"
        )
    yield f"benign: {len(found.benign_paged)} of {found.benign_trials} paged"
    quiet = found.quiet
    yield (
        f"quiet: {len(quiet.pages)} pages in {quiet.team_days:.1f} days of a team "
        f"({quiet.series_days:.0f} series-days), {quiet.per_week:.2f} a week and team; upper 95 % "
        f"bound {quiet.upper_95_per_week:.2f}, budget {quiet.budget_per_week:g}"
        f"{'' if quiet.claimed else ': not enough to claim that it is kept'}"
    )
    for cluster in quiet.clusters:
        yield (
            f"quiet cluster {cluster.seed}: {cluster.pools_kept} of {cluster.pools} pools kept "
            f"their SLO, {cluster.missed_ratio:.3%} of all requests missed it; "
            f"{', '.join(cluster.pages)}"
        )


def _curves(faults: dict[str, Fault], trials: Sequence[Result]) -> Iterator[Curve]:
    for name, magnitude in dict.fromkeys((one.fault, one.magnitude) for one in trials):
        mine = [one for one in trials if (one.fault, one.magnitude) == (name, magnitude)]
        delays = [one.found_s for one in mine if one.found_s is not None]
        yield Curve(
            fault=name,
            kind=faults[name].kind,
            magnitude=magnitude,
            must=magnitude in faults[name].must_find,
            trials=len(mine),
            found=len(delays),
            paged=sum(one.paged_s is not None for one in mine),
            right_subject=sum(one.right_subject for one in mine),
            right_cause=sum(one.right_cause for one in mine),
            p50_s=_quantile(delays, 0.5),
            p95_s=_quantile(delays, 0.95),
        )


def _sum(kind: Kind, must: Sequence[Result]) -> Sum:
    mine = [one for one in must if one.kind == kind]
    delays = [np.inf if one.found_s is None else one.found_s for one in mine]
    return Sum(
        kind=kind,
        trials=len(mine),
        found=sum(one.found_s is not None for one in mine),
        right_subject=sum(one.right_subject for one in mine),
        right_cause=sum(one.right_cause for one in mine),
        p50_s=_quantile(delays, 0.5),
        p95_s=_quantile(delays, 0.95),
        goal_s=GOAL_S[kind],
    )


def _share(must: Sequence[Result]) -> float | None:
    return sum(one.found_s is not None for one in must) / len(must) if must else None


def _quantile(delays: Sequence[float], q: float) -> float | None:
    """The least delay that so many have not exceeded; None when it never came."""
    if not delays:
        return None
    value = sorted(delays)[int(np.ceil(q * len(delays))) - 1]
    return float(value) if np.isfinite(value) else None


def _shown(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.0f}"


def text(found: Report) -> str:
    """As JSON; what is infinite is null."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n"
