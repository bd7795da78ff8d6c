"""What a button on the page asked for in, the record to publish out."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.schemas.incidents import Command, Feedback
from streams.stage import Out

ACTOR: Final = "live page"
LASTS_S: Final = 900
"""A hold or override from the page ends by itself."""
MAX_REPLICAS: Final = 10_000

Kind = Literal["hold", "override", "release"]


def asked(ask: Mapping[str, Any], now_us: int) -> Out:
    """``{do: hold | override | release, pool: cluster/pool, replicas: 3}`` for a pool, or
    ``{do: right | wrong, anomaly: id}`` for an anomaly.

    Raises InvalidParameterError: a browser is a stranger.
    """
    what = ask.get("do")
    match what:
        case "right" | "wrong":
            anomaly = _text(ask, "anomaly")
            feedback = Feedback(
                id=f"{anomaly}@{ACTOR}", at_us=now_us, anomaly=anomaly, verdict=what, actor=ACTOR
            )
            return Out(topic="feedback", key=anomaly, value=feedback)
        case "hold" | "override" | "release":
            return _command(what, ask, now_us)
        case _:
            raise InvalidParameterError("do", what, "hold, override, release, right or wrong")


def _command(kind: Kind, ask: Mapping[str, Any], now_us: int) -> Out:
    cluster, slash, pool = _text(ask, "pool").partition("/")
    if not slash or not pool:
        raise InvalidParameterError("pool", ask.get("pool"), "cluster/pool")
    command = Command(
        id=f"{kind}-{cluster}-{pool}-{now_us}",
        at_us=now_us,
        kind=kind,
        actor=ACTOR,
        reason=f"asked on the {ACTOR}",
        cluster=cluster,
        pool=pool,
        replicas=_replicas(ask) if kind != "release" else None,
        expires_at_us=now_us + LASTS_S * SECOND_US if kind != "release" else None,
    )
    return Out(topic="commands", key=f"{cluster}/{pool}", value=command)


def _replicas(ask: Mapping[str, Any]) -> int:
    replicas = ask.get("replicas")
    if not isinstance(replicas, int) or not 0 <= replicas <= MAX_REPLICAS:
        raise InvalidParameterError("replicas", replicas, f"a whole number, 0 to {MAX_REPLICAS}")
    return replicas


def _text(ask: Mapping[str, Any], name: str) -> str:
    text = ask.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= 200:
        raise InvalidParameterError(name, text, "a text of 1 to 200 characters")
    return text
