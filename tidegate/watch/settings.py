"""Settings of a first look."""

from typing import Annotated

from pydantic import Field

from streams.sources.settings import AccessSettings


class WatchSettings(AccessSettings):
    """`tidegate watch`: who we are to every URL that is looked at, and how far back."""

    every_s: Annotated[int, Field(ge=1, le=60)] = 1
    """How often a /metrics page is read; a Prometheus at the pace at which it scrapes."""
    history_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = 3_600.0
    """How much of a Prometheus' past is taken in first, so that we know what is usual."""
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    """For an answer of a Prometheus and for first answers."""
    first_verdict_s: Annotated[float, Field(ge=5, le=60)] = 30.0
    """How long pages are read before the first verdict, where there is no past to know them by."""
    store: str = ""
    """SQLite file for windows, anomalies and incidents; empty is one of its own under
    `TIDEGATE_STATE`, which begins anew each time."""
