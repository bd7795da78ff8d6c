"""Every query of every dashboard, as Grafana would send it."""

import json
from collections.abc import Iterator

from dashboards.boards import render


def queries() -> Iterator[str]:
    for text in render().values():
        board = json.loads(text)
        for panel in board["panels"]:
            yield from (target["query"] for target in panel.get("targets", ()))
        yield from (one["target"]["query"] for one in board["annotations"]["list"])


def filled_in(query: str, since_us: int, until_us: int) -> str:
    """Grafana's variables replaced: everything of the last minutes, of all pools."""
    shown = f"time >= {since_us}u AND time < {until_us}u"
    return (
        query.replace("$timeFilter", shown)
        .replace("$__interval", "10s")
        .replace("/^$pool$/", "/^(codex|sora)$/")
    )
