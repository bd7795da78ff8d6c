"""What INGEST counted of senders in; incidents of those who send badly for a while out."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from detectors.incidents.case import Case, incident_id, resolved
from detectors.state import Ledger
from streams.clock import SECOND_US
from streams.codec import decode_record
from streams.complaints import KINDS
from streams.conduct import Complaint, Conduct, Reached
from streams.schemas.base import Record
from streams.schemas.incidents import Cause, Command, Incident, Subject
from streams.schemas.system import Quality
from streams.sender import MEMORY_US, Sender

LASTS_US: Final = 2 * MEMORY_US
"""What is complained of for so long went on for a minute: a complaint outlives it by another."""
COOLS_US: Final = 300 * SECOND_US
"""So long without complaint, and it is over: who sends badly now and then is told of once."""
MAX_CAUSES: Final = 4
_WATCHED: Final = frozenset({"engine", "gpu"})
"""Who falls silent here is missed by WATCH, which knows fellows and changes."""

_TITLES: Final[Mapping[str, str]] = {
    "unit": "Values on {source} are in another unit",
    "clock": "Clocks of senders to {source} are off",
    "late": "Records come too late to {source}",
    "dead": "Records on {source} cannot be used",
    "missing": "Senders to {source} are not heard of any more",
    "lost": "Frames to {source} are lost on the way",
    "range": "Values on {source} are implausible",
    "repeated": "Frames come to {source} again and again",
}

Where = tuple[str, str]
"""Source and kind of complaint: so few incidents there are at most, however many send badly."""


class Manners:
    """Complaints that last, as incidents that only inform: nobody is paged for them by default.

    They stand apart from what WATCH finds: no budget of false pages pays for them, no pool is held
    for them, and they are no cause of anything.
    """

    def __init__(self, *, cluster: str) -> None:
        self._cluster = cluster
        self._conduct = Conduct()
        self._cases: dict[Where, Case] = {}
        self._heard = False
        self._ledger = Ledger()

    def take(self, quality: Quality) -> None:
        self._conduct.take(quality)
        self._heard = True

    def step(self, now_us: int, commands: Iterable[Command]) -> list[Incident]:
        """Those that are news."""
        before = {where: case.incident for where, case in self._cases.items()}
        if self._heard:
            self._heard = False
            for where, complaints in self._complaints().items():
                lasting = [one for one in complaints if now_us - one.since_us >= LASTS_US]
                if lasting or where in self._cases:
                    self._cases[where] = self._with(where, lasting, now_us)
        asked = {one.incident: one for one in commands if one.kind == "resolve"}
        cases = {
            where: _ended(case, asked.get(case.incident.id), now_us)
            for where, case in self._cases.items()
        }
        # What a person has resolved stays so until nobody complains any more.
        self._cases = {where: case for where, case in cases.items() if not _is_over(case, now_us)}
        return [c.incident for where, c in cases.items() if c.incident != before.get(where)]

    def _complaints(self) -> Mapping[Where, list[Complaint]]:
        found: defaultdict[Where, list[Complaint]] = defaultdict(list)
        for one in self._conduct.complaints():
            if one.kind != "missing" or one.source not in _WATCHED:
                found[one.source, one.kind].append(one)
        return found

    def _with(self, where: Where, complaints: Sequence[Complaint], now_us: int) -> Case:
        """Numbers in sentences move all the time; only another sender is news."""
        case = self._cases.get(where) or _opened(self._cluster, where, complaints, now_us)
        case = case.but(active_at_us=now_us)
        known = case.incident.causes
        causes = {cause.subject: cause for cause in (*known, *map(_cause, complaints))}
        told = tuple(causes.values())[:MAX_CAUSES]
        if len(told) == len(known) or not case.is_open:
            return case
        return case.but(incident=case.incident.but(causes=told, updated_at_us=now_us))

    # --- over a restart -----------------------------------------------------------------------

    def unsaved(self) -> dict[str, bytes | None]:
        """State key -> bytes of what changed since the last call; None for what is gone."""
        return self._ledger.changed(self._all())

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Raises CorruptMessageError for what is its own and this version cannot read."""
        for key, data in sorted(state.items()):
            match key.split("/", 2):
                case ["sender", *_]:
                    self._conduct.restore(decode_record(data, Sender))
                case ["reached", *_]:
                    self._conduct.restore(decode_record(data, Reached))
                case ["manners", kind, source] if kind in _TITLES:
                    self._cases[source, kind] = decode_record(data, Case)
                case _:
                    continue
        self._ledger.restored(self._all())

    def _all(self) -> Iterator[tuple[str, Record]]:
        for known in self._conduct.known():
            if isinstance(known, Sender):
                yield f"sender/{known.source}/{known.origin}", known
            else:
                yield f"reached/{known.source}", known
        for (source, kind), case in self._cases.items():
            yield f"manners/{kind}/{source}", case


def _ended(case: Case, asked: Command | None, now_us: int) -> Case:
    if not case.is_open or not (asked or _is_over(case, now_us)):
        return case
    by = f"by {asked.actor}" if asked else f"no complaint for {COOLS_US // SECOND_US} s"
    case = resolved(case, now_us, f"resolved: {by}")
    return case.but(incident=case.incident.but(updated_at_us=now_us))


def _is_over(case: Case, now_us: int) -> bool:
    return now_us - case.active_at_us >= COOLS_US


def _opened(cluster: str, where: Where, complaints: Sequence[Complaint], now_us: int) -> Case:
    source, kind = where
    since_us = min(one.since_us for one in complaints)
    worst = complaints[0]
    incident = Incident(
        id=incident_id(f"{cluster}/{source}/{kind}/{since_us}"),
        state="open",
        severity="info",
        cluster=cluster,
        pool="",
        subject=_subject(worst),
        title=_TITLES[kind].format(source=source),
        started_at_us=since_us,
        opened_at_us=now_us,
        updated_at_us=now_us,
        causes=(_cause(worst),),
        timeline=((now_us, f"opened: {worst.sentence}"),),
    )
    return Case(incident=incident, active_at_us=now_us)


def _cause(complaint: Complaint) -> Cause:
    return Cause(
        kind=f"telemetry_{complaint.kind}",
        subject=_subject(complaint),
        weight=1 - KINDS.index(complaint.kind) / len(KINDS),
        sentence=f"{complaint.sentence}; {complaint.advice}",
    )


def _subject(complaint: Complaint) -> Subject:
    return Subject(kind="sender", name=complaint.origin or f"unknown, on {complaint.source}")
