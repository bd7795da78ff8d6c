"""Settings of an edge site."""

from typing import Annotated

from pydantic import BaseModel, Field


class EdgeSettings(BaseModel, frozen=True, extra="forbid"):
    """`tidegate edge`: a site that goes on while its line to the broker is down.

    What it reads there is set under `scrape`.
    """

    site: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = ""
    """Its name, and the `cluster` of everything it reads; must be its own among all sites."""
    spool: str = ""
    """SQLite file with what waits to be sent; empty: `edge-SITE.sqlite` under `TIDEGATE_STATE`."""
    spool_bytes: Annotated[int, Field(ge=1_000_000)] = 2_000_000_000
    """Of what waits; when reached, the oldest goes and is counted."""
    begins_with: str = ""
    """File of `tidegate merge-sites`: series of a kind that is new here begin with what other sites
    know of it."""
    snapshot_s: Annotated[float, Field(gt=0)] = 60.0
    """How often everything known is written down; a restart steps through what was read since."""
