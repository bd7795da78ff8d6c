"""Seconds of a pool's replicas in, the region of one replica as far as it was seen out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from autoscaler.fading_line import FadingLine
from autoscaler.mix import FadingMean
from autoscaler.region import UNKNOWN, Limit, Region
from autoscaler.replica_seconds import ReplicaSecond
from streams.clock import SECOND_US

BLOCK_S: Final = 10
"""Tokens are added up over so long: prompts come in bursts, and pages are read now and then."""
FULL_RATIO: Final = 0.8
"""Of the looks at a replica within a block, at which it could take no more."""
FORGET_AFTER: Final = 60.0
"""Blocks after which one counts half."""
ENOUGH: Final = 6.0
"""Blocks for a limit to be identified: a minute."""
VARIETY: Final = 1.0
"""Spread of prefill, in squares of its mean, that tells what prefill costs beside decode."""
KEPT_S: Final = 86_400.0
"""A knee that was seen longer ago is a lower bound again."""
MAX_REPLICAS: Final = 2_000


@dataclass(slots=True)
class _Block:
    """One replica over ten seconds."""

    looks: int = 0
    full: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    waited: int = 0
    running: float = 0.0

    def add(self, row: ReplicaSecond, slots: int) -> None:
        self.looks += 1
        self.waited += row.waiting >= 1
        self.full += row.waiting >= 1 or row.running > slots - 0.5
        self.prompt_tokens += row.prompt_tokens
        self.output_tokens += row.output_tokens
        self.running += row.running


class Knee:
    """The limits of one replica, where at least half of the pool's replicas could take no more.

    A replica that says so alone may be broken or lie. Of several the upper median counts, so that
    a pool's limit is not that of its slowest replica. Decode over prefill is a line: it ends where
    all of a replica's time goes into one of them. As long as prefill did not vary, its price is
    taken to be in that of decode.

    earlier: seen of another engine or model; stands only until it is seen anew.
    """

    def __init__(self, earlier: Region = UNKNOWN) -> None:
        self._block_us = 0
        self._rows: dict[str, _Block] = {}
        self._before: frozenset[str] = frozenset()
        self._doubtful = False
        self._line = FadingLine(FORGET_AFTER)
        self._at_once = FadingMean(FORGET_AFTER)
        self._most: dict[str, float] = {}
        self._kv_tokens = 0.0
        self._seen_us = 0
        self._earlier = earlier

    def see(self, rows: Sequence[ReplicaSecond], slots: int, *, trusted: bool) -> None:
        """What replicas did; a block in which anything was not to be trusted teaches nothing."""
        for row in rows:
            block_us = row.window_us // (BLOCK_S * SECOND_US) * BLOCK_S * SECOND_US
            if block_us > self._block_us:
                self._close()
                self._block_us = block_us
            self._doubtful |= not trusted
            if block_us == self._block_us and len(self._rows) < MAX_REPLICAS:
                self._rows.setdefault(row.replica, _Block()).add(row, slots)
        told = [row.kv_capacity_tokens for row in rows if row.kv_capacity_tokens > 0]
        if trusted and told:
            self._kv_tokens = _upper_median(told)

    def region(self, now_us: int) -> Region:
        if not (self._most or self._kv_tokens):
            return self._earlier
        fresh = now_us - self._seen_us <= KEPT_S * SECOND_US
        known = fresh and self._line.n >= ENOUGH
        prefill, decode = self._rates() if known else (0.0, 0.0)
        at_once = self._at_once.value if fresh and self._at_once.weight >= ENOUGH else 0.0
        seen = Region(
            prefill_tokens_per_s=_limit(prefill, self._most.get("prefill", 0.0)),
            decode_tokens_per_s=_limit(decode, self._most.get("decode", 0.0)),
            kv_tokens=_limit(self._kv_tokens, 0.0),
            in_flight=_limit(at_once, self._most.get("in_flight", 0.0)),
        )
        return seen.or_else(self._earlier)

    def _rates(self) -> tuple[float, float]:
        """Prefill and decode on their own; 0 for what cannot be told."""
        line = self._line
        prior = VARIETY * line.mean_x**2
        if line.mean_y < 1:  # nothing is decoded here
            return line.mean_x, 0.0
        slope = min(0.0, line.slope()) if line.spread >= prior > 0 else 0.0
        decode = line.mean_y - slope * line.mean_x
        return (decode / -slope if slope < 0 else 0.0), decode

    def _close(self) -> None:
        rows, doubtful, before = self._rows, self._doubtful, self._before
        self._rows, self._doubtful, self._before = {}, False, frozenset(rows)
        # One that came or went meanwhile did less than it could have.
        whole = [block for name, block in rows.items() if name in before]
        if doubtful or not whole:
            return
        full = [block for block in whole if block.full >= FULL_RATIO * block.looks]
        knee = 2 * len(full) >= len(whole)
        rates = _rates_of(full if knee else whole)
        if not rates["prefill"] + rates["decode"]:  # it tells no tokens, or does not move
            return
        for face, value in rates.items():
            self._most[face] = max(self._most.get(face, 0.0), value)
        if knee:
            self._line.learn(rates["prefill"], rates["decode"])
            self._seen_us = self._block_us
            if sum(block.waited >= FULL_RATIO * block.looks for block in full) * 2 >= len(whole):
                self._at_once.see(rates["in_flight"], 1)


def _rates_of(blocks: Sequence[_Block]) -> Mapping[str, float]:
    return {
        "prefill": _upper_median([block.prompt_tokens / BLOCK_S for block in blocks]),
        "decode": _upper_median([block.output_tokens / BLOCK_S for block in blocks]),
        "in_flight": _upper_median([block.running / block.looks for block in blocks]),
    }


def _limit(identified: float, most: float) -> Limit | None:
    if identified > 0:
        return Limit(value=round(identified, 3), identified=True)
    return Limit(value=round(most, 3)) if most > 0 else None


def _upper_median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
