"""Optimistic locking (RFC 9110 `If-Match`): who asks says on which rules of the pool it rests."""

import re
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Header

from autoscaler.api.intake import PoolKey
from autoscaler.api.latest import Latest
from autoscaler.api.problems import ApiError
from autoscaler.api.view import View
from autoscaler.rule_version import version_of
from streams.clock import SECOND_US
from streams.errors import OutdatedError
from streams.schemas.incidents import Command

_TAG: Final = r'(W/)?"[\x21\x23-\x7e]*"'
IfMatch = Annotated[
    str,
    Header(
        alias="If-Match",
        pattern=rf"^(\*|{_TAG}(\s*,\s*{_TAG})*)?$",
        max_length=1_000,
        description="ETag of the pool's rules on which this rests: 412 if they are others now.",
    ),
]
ANY: Final = "*"
SETTLES_S: Final = 10
"""So long after a command, PLAN has carried it out or refused it."""
MAX_POOLS: Final = 1_000


def etag(version: str) -> str:
    return f'"{version}"'


class Preconditions:
    """Reads what is asked for, and holds it against what is under way.

    PLAN holds each command against its own rules: there it is decided between several APIs, whose
    views are seconds old.

    required: who says nothing of the rules is told to.
    """

    def __init__(self, view: View, *, required: bool) -> None:
        self._view = view
        self._required = required
        self._asked: Latest[PoolKey, Command] = Latest(MAX_POOLS)

    def version(self, pool: PoolKey) -> str:
        return version_of(self._view.rules(cluster=pool[0], pool=pool[1]))

    def versions(self, pool: PoolKey, header: str, now_us: int) -> tuple[str, ...]:
        """What ``header`` names, for ``Command.if_match``.

        Raises ApiError if it names nothing where it has to, OutdatedError while another command of
        the pool is being carried out.
        """
        if not header and self._required:
            raise ApiError(
                HTTPStatus.PRECONDITION_REQUIRED,
                f"If-Match is needed: the ETag of /v1/pools/{pool[1]}/rules, or {ANY}",
            )
        if header in {"", ANY}:
            return ()
        self._check_under_way(pool, now_us)
        # A weak tag is that of no rules: it never matches strongly.
        return tuple(f"{weak}{tag}" for weak, tag in re.findall(r'(W/)?"([^"]*)"', header))

    def _check_under_way(self, pool: PoolKey, now_us: int) -> None:
        last = self._asked.get(pool)
        if last is None or now_us - last.at_us > SETTLES_S * SECOND_US:
            return
        if not self._view.ruled_since(pool, last.at_us):
            raise OutdatedError(
                f"{last.kind} by {last.actor} was accepted for pool {pool[1]} and is being carried "
                "out: read its rules again, then ask again"
            )

    def accepted(self, command: Command) -> None:
        """From now on, whoever rests on the rules of before is outdated."""
        self._asked.put((command.cluster, command.pool), command)
