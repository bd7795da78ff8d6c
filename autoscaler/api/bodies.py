"""What people may ask of the API: strangers write it, so pydantic reads it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from autoscaler.schedules.settings import ScheduleTerms

WEEK_S = 604_800

Replicas = Annotated[int, Field(ge=0, le=100_000)]
ExpiresInS = Annotated[
    float | None,
    Field(gt=0, le=WEEK_S, description="Seconds until it ends by itself; null: until released."),
]
Actor = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
Reason = Annotated[str, Field(max_length=500)]


class Body(BaseModel, frozen=True, extra="forbid"):
    """An unknown field is an error: it might be a misspelt one."""


class Ask(Body):
    """Who asks, and why: both are kept in the audit."""

    actor: Actor = "operator"
    reason: Reason = ""


class OverrideBody(Ask):
    """A size that holds whatever the planner thinks."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"replicas": 3, "expires_in_s": 3600, "actor": "ann", "reason": "launch day"}
            ]
        }
    )
    replicas: Replicas
    expires_in_s: ExpiresInS = None


class HoldBody(Ask):
    """Keep the size that the pool has now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"expires_in_s": 600, "actor": "ann", "reason": "debugging"}]
        }
    )
    expires_in_s: ExpiresInS = None


class LimitsBody(Ask):
    """Narrower bounds than those in the settings; null leaves a bound as it is there."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"min_replicas": 2, "max_replicas": 3, "actor": "ann"}]}
    )
    min_replicas: Replicas | None = None
    max_replicas: Replicas | None = None
    expires_in_s: ExpiresInS = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low, high = self.min_replicas, self.max_replicas
        if low is not None and high is not None and low > high:
            raise ValueError(f"min_replicas must not exceed max_replicas, got {low} and {high}")
        return self


class ScheduleBody(Ask, ScheduleTerms):
    """Something that is known of the future: once, or again and again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "starts_at": "2026-11-27T18:00:00+01:00",
                    "ends_at": "2026-11-27T22:00:00+01:00",
                    "min_replicas": 3,
                    "times": 3,
                    "actor": "ann",
                    "reason": "launch",
                },
                {
                    "at": "08:00",
                    "weekdays": ["mon", "tue", "wed", "thu", "fri"],
                    "zone": "Europe/Berlin",
                    "lasts_s": 36_000,
                    "min_replicas": 2,
                },
            ]
        }
    )


class LadderBody(Ask):
    """How far the planner may act: compare, recommend, only raise, act fully."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ladder": "floor", "actor": "ann", "reason": "two weeks"}]}
    )
    ladder: Literal["shadow", "recommend", "floor", "full"]


class FeedbackBody(Body):
    """Whether an anomaly was worth telling; `withdrawn` takes back what was said of it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"verdict": "wrong", "actor": "ann"}]}
    )
    verdict: Literal["right", "wrong", "withdrawn"]
    actor: Annotated[str, Field(min_length=1, max_length=80)] = "operator"
