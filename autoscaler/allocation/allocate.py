"""Claims of pools in, how many replicas each is given and on which stock out."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from autoscaler.allocation.claim import Claim, Grant, Stock


class Rank(IntEnum):
    """In which order replicas are served, before priority and worth are looked at."""

    KEPT = 0
    GUARANTEED = 1
    URGENT = 2
    DEFERRABLE = 3
    LAST = 4


def allocate(claims: Sequence[Claim], stocks: Sequence[Stock]) -> dict[str, Grant]:
    """Replica by replica: by rank, then priority, then misses avoided per money, then name.

    Of two mates, always the one next that takes fewer requests a second so far.

    A replica that does not fit is left out, and smaller ones behind it may still fit: no GPU is
    idle that somebody could use. So with one GPU more, nobody gets less unless somebody before
    him gets more.

    >>> h100 = Stock(name="h100", gpus=4, price=2.0)
    >>> chat = Claim(pool="chat", replicas=3, stocks=(h100,), priority=1)
    >>> night = Claim(pool="night", replicas=3, stocks=(h100,), guarantee=2)
    >>> {pool: grant.replicas for pool, grant in allocate([chat, night], [h100]).items()}
    {'chat': 2, 'night': 2}
    """
    claims = sorted(claims, key=lambda claim: claim.pool)
    left = {stock.name: stock.gpus for stock in stocks}
    places = [_Place(claim, left) for claim in claims]
    for row in _turns(claims).tolist():
        if places[row].open:
            places[row].take()
    return {place.claim.pool: place.grant() for place in places}


class _Place:
    """Where one pool is served, as long as there is room: nothing is given back, so a replica that
    does not fit closes it.
    """

    __slots__ = ("_choices", "_counts", "_left", "_may_spot", "claim", "open")

    def __init__(self, claim: Claim, left: dict[str, int]) -> None:
        self.claim = claim
        self.open = True
        self._left = left
        self._choices = [(nth, stock.name, stock.spot) for nth, stock in enumerate(claim.stocks)]
        self._counts = [0] * len(claim.stocks)
        self._may_spot = 0.0

    def take(self) -> None:
        gpus, left, firm = self.claim.gpus, self._left, self.claim.on_demand_ratio
        for nth, name, spot in self._choices:
            if left[name] >= gpus and (not spot or self._may_spot >= firm - 1e-9):
                left[name] -= gpus
                self._counts[nth] += 1
                # Replicas on demand beyond the share that those so far must have.
                self._may_spot += (not spot) - firm
                return
        self.open = False

    def grant(self) -> Grant:
        counts = zip(self.claim.stocks, self._counts, strict=True)
        return Grant(on={stock: count for stock, count in counts if count})


def _turns(claims: Sequence[Claim]) -> npt.NDArray[np.int64]:
    """The row of the claim whose turn it is, for every replica claimed."""
    sizes = np.array([claim.replicas for claim in claims], np.int64)
    row = np.repeat(np.arange(len(claims)), sizes)
    if not len(row):
        return row
    nth = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    priority = np.array([claim.priority for claim in claims])[row]
    worth = np.concatenate([_worth_per_money(claim) for claim in claims])
    rate = np.array([claim.leg.rate_per_s if claim.leg else 0.0 for claim in claims])[row]
    # Compared to nine digits: mates whose levels are equal but for rounding must not part.
    level = np.round(nth * rate, 9)
    order = np.lexsort((nth, row, level, -worth, -priority, _ranks(claims, row, nth)))
    return row[order]


def _ranks(
    claims: Sequence[Claim], row: npt.NDArray[np.int64], nth: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    kept = np.array([claim.kept for claim in claims])[row]
    guarantee = np.array([claim.guarantee for claim in claims])[row]
    last_from = np.array([claim.replicas - claim.last for claim in claims])[row]
    usual = np.array([Rank.DEFERRABLE if claim.deferrable else Rank.URGENT for claim in claims])
    conditions = [nth < kept, nth >= last_from, nth < guarantee]
    return np.select(conditions, [Rank.KEPT, Rank.LAST, Rank.GUARANTEED], usual[row])


def _worth_per_money(claim: Claim) -> npt.NDArray[np.float64]:
    worth = np.zeros(claim.replicas)
    known = (claim.leg.together if claim.leg else claim.worth)[: claim.replicas]
    worth[: len(known)] = known
    return worth if claim.leg else worth / claim.cost
