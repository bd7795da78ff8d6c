"""Commands in, rules in force out: what people ordered, until when, and what was refused."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from autoscaler.demand import PoolKey
from autoscaler.rule_version import check_version
from autoscaler.schedules.calendar import Calendar
from autoscaler.schedules.clashes import check_no_clash
from autoscaler.schedules.rules import SETTINGS, Bounds, schedule_id, schedule_rule
from autoscaler.situation import Order
from streams.codec import decode_record, encode_record
from streams.errors import InvalidParameterError, OutdatedError, TidegateError
from streams.schemas.incidents import Audit, Command, Rule
from streams.schemas.scaling import Ladder
from streams.stage import Out

STATE_PREFIX: Final = "rule/"
DONE_KEY: Final = "commands"
MAX_RULES: Final = 1_000
MAX_SCHEDULES: Final = 20
"""Per pool."""
OF_SETTINGS: Final = "of people; this one stands in scaling.schedules and is changed there"
MAX_DONE: Final = 256
"""Commands remembered, so that each is carried out once however often it is delivered."""


class RuleBook:
    """At most one hold or override, one limits and one ladder rule per pool; schedules by their
    name, silences by their id.

    ``state`` keeps it: one key per rule in force, and the last commands.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = {rule.id: rule for rule in rules}
        self._calendars: dict[PoolKey, Calendar] = {}
        self._done: deque[str] = deque(maxlen=MAX_DONE)

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Instead of what is there."""
        self._rules.clear()
        self._calendars.clear()
        self._done.clear()
        for key, value in state.items():
            if key.startswith(STATE_PREFIX):
                rule = decode_record(value, Rule)
                self._rules[rule.id] = rule
        self._done.extend(msgspec.json.decode(state.get(DONE_KEY, b"[]"), type=list[str]))

    def state(self, changed: Sequence[Rule]) -> dict[str, bytes | None]:
        """What to keep after these rules changed or ended."""
        kept: dict[str, bytes | None] = {DONE_KEY: msgspec.json.encode(list(self._done))}
        for rule in changed:
            kept[STATE_PREFIX + rule.id] = None if rule.ended else encode_record(rule)
        return kept

    def whole(self) -> dict[str, bytes]:
        """All that there is to keep."""
        return {key: value for key, value in self.state([*self._rules.values()]).items() if value}

    def of(self, pool: PoolKey) -> Sequence[Rule]:
        """What is in force for a pool."""
        return [rule for rule in self._rules.values() if (rule.cluster, rule.pool) == pool]

    def order(self, pool: PoolKey) -> Order | None:
        """The hold or override in force."""
        rule = self._rules.get(_id("order", *pool))
        if rule is None or rule.replicas is None:
            return None
        return Order(kind=rule.kind, replicas=rule.replicas, actor=rule.actor, reason=rule.reason)

    def limits(self, pool: PoolKey, low: int, high: int) -> tuple[int, int]:
        """The bounds of settings, narrowed by a person's limits."""
        rule = self._rules.get(_id("limits", *pool))
        if rule is None:
            return low, high
        asked = (rule.min_replicas, rule.max_replicas)
        narrow_low, narrow_high = (
            min(max(value, low), high) if value is not None else bound
            for value, bound in zip(asked, (low, high), strict=True)
        )
        return narrow_low, max(narrow_low, narrow_high)

    def calendar(self, pool: PoolKey, now_us: int) -> Calendar:
        """Of the schedules; ``now_us`` never goes back."""
        if pool not in self._calendars:
            self._calendars[pool] = Calendar(self.of(pool), now_us)
        return self._calendars[pool]

    def declare(self, declared: Sequence[Rule], now_us: int) -> Sequence[Rule]:
        """Take up the schedules of the settings, and end those that are there no more.

        Raises InvalidParameterError for those that contradict each other.
        """
        wanted = {rule.id: rule for rule in declared}
        gone = [
            rule
            for rule in self._rules.values()
            if rule.actor == SETTINGS and rule.kind == "schedule" and rule.id not in wanted
        ]
        changed = [ended for rule in gone for ended in self._end(rule, now_us)]
        for rule in wanted.values():
            check_no_clash(rule, wanted.values(), now_us)
            known = self._rules.get(rule.id)
            if known is None or known.but(at_us=rule.at_us) != rule:
                changed += self._put(rule)
        return changed

    def ladder(self, pool: PoolKey, default: Ladder) -> Ladder:
        rule = self._rules.get(_id("ladder", *pool))
        return rule.ladder if rule is not None and rule.ladder is not None else default

    def carry_out(self, command: Command, pools: Mapping[PoolKey, Bounds]) -> Sequence[Rule]:
        """The rules that the command sets or ends; none for one that was carried out before.

        Raises InvalidParameterError if the command cannot be carried out, OutdatedError if it rests
        on other rules than there are.
        """
        if command.id in self._done:
            return ()
        self._done.append(command.id)
        pool = (command.cluster, command.pool)
        check_version(command.if_match, self.of(pool), command.pool)
        if command.kind == "resolve":
            return ()  # RESPOND's
        if command.kind == "silence":
            return self._set(_silence(command), command)
        if pool not in pools:
            known = ", ".join(sorted("/".join(key) for key in pools)) or "none is known yet"
            raise InvalidParameterError("pool", "/".join(pool), f"one of: {known}")
        if command.kind == "release":
            rule = self._rules.get(_id("order", *pool))
            return () if rule is None else self._end(rule, command.at_us)
        if command.kind == "unschedule":
            return self._end(self._scheduled(command), command.at_us)
        rule = _pool_rule(command, pools[pool])
        if rule.kind in {"limits", "schedule"}:
            check_no_clash(rule, self.of(pool), command.at_us)
        return self._set(rule, command)

    def expire(self, now_us: int) -> Sequence[Rule]:
        """End what has run out."""
        over = [
            rule
            for rule in self._rules.values()
            if rule.expires_at_us is not None and rule.expires_at_us <= now_us
        ]
        return [ended for rule in over for ended in self._end(rule, now_us)]

    def _set(self, rule: Rule, command: Command) -> Sequence[Rule]:
        before = self._rules.get(rule.id)
        if before is not None and before.at_us > command.at_us:
            return ()  # an older command that came late
        if before is not None and before.kind == "schedule" and before.actor == SETTINGS:
            raise InvalidParameterError("schedule", rule.name, OF_SETTINGS)
        if before is None and len(self._rules) >= MAX_RULES:
            raise InvalidParameterError("rules", len(self._rules), f"fewer than {MAX_RULES}")
        if before is None and rule.kind == "schedule":
            count = sum(one.kind == "schedule" for one in self.of((rule.cluster, rule.pool)))
            if count >= MAX_SCHEDULES:
                raise InvalidParameterError("schedules", count, f"fewer than {MAX_SCHEDULES}")
        return self._put(rule)

    def _put(self, rule: Rule) -> Sequence[Rule]:
        self._rules[rule.id] = rule
        self._calendars.pop((rule.cluster, rule.pool), None)
        return (rule,)

    def _scheduled(self, command: Command) -> Rule:
        rule = self._rules.get(schedule_id(*_pool(command), command.name))
        if rule is None:
            known = ", ".join(one.name for one in self.of(_pool(command)) if one.schedule) or "none"
            raise InvalidParameterError("schedule", command.name, f"one of: {known}")
        if rule.actor == SETTINGS:
            raise InvalidParameterError("schedule", command.name, OF_SETTINGS)
        return rule

    def _end(self, rule: Rule, at_us: int) -> Sequence[Rule]:
        del self._rules[rule.id]
        self._calendars.pop((rule.cluster, rule.pool), None)
        return (rule.but(ended=True, at_us=max(at_us, rule.at_us)),)


def refusal(command: Command, cause: TidegateError, now_us: int) -> Out:
    """The audit record of a command that cannot be carried out."""
    audit = Audit(
        id=f"{command.id}/refused",
        at_us=now_us,
        actor=command.actor,
        action=command.kind,
        target=f"{command.cluster}/{command.pool}",
        status=412 if isinstance(cause, OutdatedError) else 422,
        detail=str(cause),
    )
    return Out(topic="audit", key=audit.id, value=audit)


def _id(what: str, cluster: str, pool: str) -> str:
    return f"{what}:{cluster}/{pool}"


def _silence(command: Command) -> Rule:
    if not command.matchers or command.expires_at_us is None:
        raise InvalidParameterError("silence", command.id, "one with matchers and an end")
    return Rule(
        id=f"silence:{command.id}",
        kind="silence",
        at_us=command.at_us,
        actor=command.actor,
        reason=command.reason,
        cluster=command.cluster,
        pool=command.pool,
        matchers=command.matchers,
        expires_at_us=command.expires_at_us,
    )


def _pool_rule(command: Command, bounds: Bounds) -> Rule:
    rule = Rule(
        id=_id("order" if command.kind in {"hold", "override"} else command.kind, *_pool(command)),
        kind="hold",
        at_us=command.at_us,
        actor=command.actor,
        reason=command.reason,
        cluster=command.cluster,
        pool=command.pool,
        expires_at_us=command.expires_at_us,
    )
    match command.kind:
        case "hold":
            return rule.but(replicas=bounds.standing)
        case "override":
            return rule.but(kind="override", replicas=_replicas(command.replicas, bounds))
        case "limits":
            low, high = _limits(command, bounds)
            return rule.but(kind="limits", min_replicas=low, max_replicas=high)
        case "schedule" if command.schedule is not None:
            return schedule_rule(rule.but(name=command.name), command.schedule, bounds)
        case "ladder" if command.ladder is not None:
            return rule.but(kind="ladder", ladder=command.ladder)
        case _:
            raise InvalidParameterError(command.kind, None, "given")


def _pool(command: Command) -> PoolKey:
    return command.cluster, command.pool


def _replicas(asked: int | None, bounds: Bounds) -> int:
    if asked is None or not bounds.low <= asked <= bounds.high:
        raise InvalidParameterError("replicas", asked, f"{bounds.low} to {bounds.high}")
    return asked


def _limits(command: Command, bounds: Bounds) -> tuple[int, int]:
    low = bounds.low if command.min_replicas is None else command.min_replicas
    high = bounds.high if command.max_replicas is None else command.max_replicas
    if not bounds.low <= low <= high <= bounds.high:
        allowed = f"within {bounds.low} to {bounds.high}, the least first"
        raise InvalidParameterError("limits", f"{low} to {high}", allowed)
    return low, high
