"""What somebody asks for a pool in, a command published out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Header
from starlette.responses import Response

from autoscaler.api.audit import Asked, Writes
from autoscaler.api.bodies import Ask
from autoscaler.api.openapi import answer, of
from autoscaler.api.preconditions import IfMatch, Preconditions
from autoscaler.api.reads import Cluster, find_pool
from autoscaler.api.summary import PoolSummary
from autoscaler.api.view import View
from autoscaler.rules import RuleBook
from autoscaler.schedules.rules import Bounds
from streams.clock import SECOND_US
from streams.schemas.incidents import Command, CommandKind, Rule

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._:-]{0,128}$",
        description="The same key again gets the first answer again, and nothing happens twice.",
    ),
]

ACCEPTED: Final = of(Command, "Accepted; PLAN carries it out within seconds.", 202)
REFUSED: Final = (401, 403, 404, 409, 412, 413, 422, 428, 503)


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
        self.writes = writes
        self._preconditions = preconditions

    async def ask(
        self, kind: CommandKind, pool: str, on: _Conditions, body: Ask, **fields: Any
    ) -> Response:
        """Publishes the command; ``fields`` are more of its fields."""
        found = find_pool(self._view, pool, on.cluster)
        expires_in_s = getattr(body, "expires_in_s", None)

        def make(name: str, now_us: int) -> Command:
            of_pool = (found.cluster, found.pool)
            known = self._preconditions.versions(of_pool, on.if_match, now_us)
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
            _refuse_early(command, found, self._view.rules(cluster=of_pool[0], pool=of_pool[1]))
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
        return answer(await self.writes.command(asked, make), 202)


def _refuse_early(command: Command, pool: PoolSummary, rules: Iterable[Rule]) -> None:
    """Raises what PLAN would refuse the command with: better said at once."""
    low, high = pool.min_replicas, pool.max_replicas
    bounds = Bounds(low=low, high=high, standing=pool.desired_replicas)
    RuleBook(rules).carry_out(command, {(pool.cluster, pool.pool): bounds})
