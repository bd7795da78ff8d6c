"""What somebody asks for a pool in, a command published out."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header
from starlette.responses import Response

from autoscaler.api.audit import Asked, Writes
from autoscaler.api.bodies import Ask
from autoscaler.api.openapi import answer
from autoscaler.api.preconditions import IfMatch, Preconditions
from autoscaler.api.reads import Cluster, find_pool
from autoscaler.api.summary import PoolSummary
from autoscaler.api.view import View
from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.schemas.incidents import Command, CommandKind

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._:-]{0,128}$",
        description="The same key again gets the first answer again, and nothing happens twice.",
    ),
]


@dataclass(frozen=True, slots=True)
class _Conditions:
    """On which something is asked for a pool."""

    cluster: Cluster = ""
    key: Key = ""
    if_match: IfMatch = ""


Conditions = Annotated[_Conditions, Depends()]


class PoolAsks:
    """Turns a body for a pool into a command, if the view knows the pool."""

    def __init__(self, view: View, writes: Writes, preconditions: Preconditions) -> None:
        self._view = view
        self._writes = writes
        self._preconditions = preconditions

    async def ask(
        self, kind: CommandKind, pool: str, on: _Conditions, body: Ask, **fields: Any
    ) -> Response:
        """Publishes the command; ``fields`` are more of its fields."""
        found = find_pool(self._view, pool, on.cluster)
        expires_in_s = getattr(body, "expires_in_s", None)

        def make(name: str, now_us: int) -> Command:
            of_pool = (found.cluster, found.pool)
            known = self._preconditions.check(of_pool, on.if_match, now_us)
            _check(found, fields)
            command = Command(
                id=name,
                at_us=now_us,
                kind=kind,
                actor=body.actor,
                reason=body.reason,
                cluster=found.cluster,
                pool=found.pool,
                expires_at_us=None
                if expires_in_s is None
                else now_us + round(expires_in_s * SECOND_US),
                if_match=known,
                **fields,
            )
            self._preconditions.accepted(command)
            return command

        named = f"/{fields['name']}" if "name" in fields else ""
        asked = Asked(
            action=kind,
            target=f"{found.cluster}/{found.pool}{named}",
            actor=body.actor,
            content=body.model_dump_json(),
            key=on.key,
        )
        return answer(await self._writes.command(asked, make), 202)


def _check(pool: PoolSummary, fields: dict[str, Any]) -> None:
    """Raises InvalidParameterError for a size that PLAN would refuse: better said at once."""
    low, high = pool.min_replicas, pool.max_replicas
    for name in ("replicas", "min_replicas", "max_replicas"):
        asked = fields.get(name)
        if asked is not None and not low <= asked <= high:
            allowed = f"{low} to {high}, the bounds of pool {pool.pool} in the settings"
            raise InvalidParameterError(name, asked, allowed)
