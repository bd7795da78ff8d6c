"""Settings of what one replica of a pool carries, where it is known beforehand."""

from pathlib import Path
from typing import Annotated, Self

import msgspec
from pydantic import BaseModel, Field, model_validator

from autoscaler.region import FACES, Limit, Region

Positive = Annotated[float, Field(gt=0)]


class CapacitySettings(BaseModel, frozen=True, extra="forbid"):
    """Limits of one replica; each one declared here stands before that of the profile."""

    pool: str
    prefill_tokens_per_s: Positive | None = None
    decode_tokens_per_s: Positive | None = None
    kv_tokens: Positive | None = None
    in_flight: Positive | None = None
    profile: Path | None = None
    """A file of `tidegate profile`."""

    @model_validator(mode="after")
    def _profile_can_be_read(self) -> Self:
        self.region()
        return self

    def region(self) -> Region:
        """Raises ValueError for a file that is no profile."""
        told = {face: getattr(self, face) for face in FACES}
        declared = Region(
            **{face: Limit(value=value, identified=True) for face, value in told.items() if value}
        )
        return declared.or_else(_read(self.profile)) if self.profile else declared


def _read(profile: Path) -> Region:
    try:
        return msgspec.json.decode(profile.read_bytes(), type=Region)
    except (OSError, msgspec.MsgspecError) as exc:
        raise ValueError(
            f"profile must be a file of `tidegate profile`, got {profile} ({exc})"
        ) from exc
