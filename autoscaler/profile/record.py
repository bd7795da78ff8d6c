"""What a profile found, as it stands in its file."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from autoscaler.engine import WHOLE, Engine
from autoscaler.profile.fit import Fit, fit
from autoscaler.profile.measure import Measured
from autoscaler.region import Limit
from streams.errors import InvalidParameterError


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a second that one replica carries within an SLO."""

    requests_per_s: float
    prompt_tokens: int
    answer_tokens: int
    ttft_s: float
    """p95 promised, as is"""
    inter_token_s: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One replica, as measured."""

    url: str
    model: str
    at_us: int
    prefill_tokens_per_s: Limit
    decode_tokens_per_s: Limit
    in_flight: Limit
    kv_tokens: Limit
    prefix_reuse_ratio: float
    """Of the prefill time of a prompt, saved when it comes again."""
    error_ratio: float
    worst_ratio: float
    batch_s: Sequence[tuple[int, float]]
    prompt_token_s: float
    resident_token_s: float
    requests: int
    tokens: int
    stopped: str = ""
    rate: Rate | None = None

    def engine(self) -> Engine:
        """For the batching simulator."""
        told = self.kv_tokens
        return Engine(
            batch_s=tuple((n, took_s) for n, took_s in self.batch_s),
            prompt_token_s=self.prompt_token_s,
            resident_token_s=self.resident_token_s,
            slots=round(self.in_flight.value),
            **({"kv_tokens": round(told.value)} if told.identified else {}),
            chunk_tokens=WHOLE,
        )


def profile_of(seen: Measured, *, url: str, model: str, at_us: int) -> Profile:
    """Raises InvalidParameterError where too little was seen."""
    found = fit(seen.steps, slots=seen.slots)
    engine = found.engine
    longest = max(step.prompt for step in seen.steps)
    read_s = engine.prompt_token_s * longest
    return Profile(
        url=url,
        model=model,
        at_us=at_us,
        # Where a prompt's time hardly depends on its length, longer ones come faster.
        prefill_tokens_per_s=Limit(
            value=round(longest / (engine.takes_s(longest, 0, 0)), 1),
            identified=read_s > engine.takes_s(0, 0, 0),
        ),
        decode_tokens_per_s=Limit(value=round(engine.decode_per_s(), 1), identified=seen.full),
        in_flight=Limit(value=seen.slots, identified=seen.full),
        kv_tokens=Limit(value=seen.kv_tokens or seen.resident, identified=seen.kv_tokens > 0),
        prefix_reuse_ratio=_reuse(seen, found),
        error_ratio=round(found.error_ratio, 4),
        worst_ratio=round(found.worst_ratio, 4),
        batch_s=engine.batch_s,
        prompt_token_s=engine.prompt_token_s,
        resident_token_s=engine.resident_token_s,
        requests=seen.requests,
        tokens=seen.tokens,
        stopped=seen.stopped,
    )


def load_profile(path: Path) -> Profile:
    """Raises InvalidParameterError for what is no profile."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Profile)
    except (OSError, msgspec.MsgspecError) as exc:
        allowed = f"a file of `tidegate profile` ({exc})"
        raise InvalidParameterError("profile", str(path), allowed) from exc


def _reuse(seen: Measured, found: Fit) -> float:
    if seen.again is None:
        return 0.0
    anew_s = found.engine.takes_s(seen.again.prompt, 0, 0)
    read_s = found.engine.prompt_token_s * seen.again.prompt
    return round(min(1.0, max(0.0, (anew_s - seen.again.took_s) / read_s)), 3) if read_s else 0.0
