"""A schedule as people write it, in settings and to the API."""

from datetime import UTC, datetime, time
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from streams.clock import SECOND_US
from streams.schemas.schedules import WEEKDAYS, Schedule, Weekday

WEEK_S: Final = 604_800
YEAR_S: Final = 366 * 86_400
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$"

Replicas = Annotated[int | None, Field(ge=0, le=100_000)]


class ScheduleTerms(BaseModel, frozen=True, extra="forbid"):
    """When: once from `starts_at` to `ends_at`, or at a time of day for `lasts_s`. And what then.

    At least one of `min_replicas`, `max_replicas`, `times` and `rate_per_s` is given.
    """

    starts_at: AwareDatetime | None = None
    """An instant with its offset: `2026-11-27T18:00:00+01:00`."""
    ends_at: AwareDatetime | None = None
    at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^$")] = ""
    """`18:00` by the clocks of `zone`: it comes again, between `starts_at` and `ends_at`."""
    weekdays: tuple[Weekday, ...] = WEEKDAYS
    zone: Annotated[str, Field(max_length=60)] = "UTC"
    lasts_s: Annotated[float, Field(ge=0, le=WEEK_S)] = 0.0
    min_replicas: Replicas = None
    """Ready when it begins: ordered a lead time before."""
    max_replicas: Replicas = None
    times: Annotated[float | None, Field(gt=1, le=100)] = None
    """So many times the usual demand is expected; planned for even if none comes."""
    rate_per_s: Annotated[float | None, Field(gt=0, le=1_000_000)] = None

    @model_validator(mode="after")
    def _says_when_and_what(self) -> Self:
        if not any((self.min_replicas, self.max_replicas is not None, self.times, self.rate_per_s)):
            raise ValueError(
                "at least one of min_replicas, max_replicas, times, rate_per_s is needed"
            )
        if self.times and self.rate_per_s:
            raise ValueError("expected demand is either times or rate_per_s, got both")
        low, high = self.min_replicas, self.max_replicas
        if low is not None and high is not None and low > high:
            raise ValueError(f"min_replicas must not exceed max_replicas, got {low} and {high}")
        _check_zone(self.zone)
        for instant in (self.starts_at, self.ends_at):
            if instant is not None and not EARLIEST <= instant <= LATEST:
                raise ValueError(f"instants must be between {EARLIEST:%Y} and {LATEST:%Y}")
        if self.at:
            self._comes_again()
        else:
            self._comes_once()
        return self

    def _comes_again(self) -> None:
        if self.lasts_s < 60:
            raise ValueError(f"lasts_s must be at least 60 s beside at, got {self.lasts_s:g}")
        if not self.weekdays or len(set(self.weekdays)) != len(self.weekdays):
            raise ValueError(f"weekdays must be named once each, got {self.weekdays}")
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError(f"ends_at must be after starts_at, got {self.ends_at}")

    def _comes_once(self) -> None:
        if self.lasts_s or not (self.starts_at and self.ends_at):
            raise ValueError("either starts_at and ends_at, or at and lasts_s are needed")
        lasts_s = (self.ends_at - self.starts_at).total_seconds()
        if not 0 < lasts_s <= YEAR_S:
            raise ValueError(f"ends_at must be at most a year after starts_at, got {self.ends_at}")

    def schedule(self) -> Schedule:
        return Schedule(
            from_us=_us(self.starts_at) if self.starts_at else 0,
            until_us=_us(self.ends_at) if self.ends_at else None,
            at=self.at and time.fromisoformat(self.at).isoformat("minutes"),
            weekdays=tuple(day for day in WEEKDAYS if day in self.weekdays) if self.at else (),
            zone=self.zone,
            lasts_s=self.lasts_s,
            min_replicas=self.min_replicas,
            max_replicas=self.max_replicas,
            times=self.times,
            rate_per_s=self.rate_per_s,
        )


class ScheduleSettings(ScheduleTerms, frozen=True, extra="forbid"):
    """A schedule of a pool that stands in the settings; people cannot end it by the API."""

    pool: str
    name: Annotated[str, Field(pattern=NAME)]


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (
        OSError,
        KeyError,
        ValueError,
    ) as exc:  # what is not there, is a folder, or points elsewhere
        raise ValueError(
            f"zone must be a name of the IANA time zone database, got {zone!r}"
        ) from exc


def _us(at: datetime) -> int:
    return round(at.timestamp() * SECOND_US)
