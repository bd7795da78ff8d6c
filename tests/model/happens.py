"""Steps of a schedule: who gets a turn, and what happens to whom."""

from dataclasses import dataclass

from streams.clock import SECOND_US
from tests.model.owner import Fate, LogOwner
from tests.model.world import World


@dataclass(frozen=True)
class Run:
    """One process gets turns, or one of its partitions; batches have at most ``most`` messages."""

    stage: str
    number: int
    turns: int
    most: int = 1_000
    only: int | None = None

    def apply(self, world: World) -> None:
        process = world.processes[self.stage, self.number]
        process.most = self.most
        owners = list(process.owners.values())
        if self.only is not None:
            owners = [owners[self.only % len(owners)]]
        for _ in range(0 if process.frozen else self.turns):
            for owner in owners:
                owner.step()


@dataclass(frozen=True)
class Everybody:
    """All get turns."""

    turns: int

    def apply(self, world: World) -> None:
        world.run(self.turns)


@dataclass(frozen=True)
class Pause:
    """Time passes, and nobody does anything."""

    seconds: float

    def apply(self, world: World) -> None:
        world.broker.advance(round(self.seconds * SECOND_US))


@dataclass(frozen=True)
class Crash:
    """A process dies where it is and starts anew; the group may have moved its partitions."""

    stage: str
    number: int
    moves: bool

    def apply(self, world: World) -> None:
        world.processes[self.stage, self.number].crash()
        if self.moves:
            world.assign(self.stage, [1 - self.number])


@dataclass(frozen=True)
class Freeze:
    """A process stops where it is; if for long, the group moves its partitions."""

    stage: str
    number: int
    long: bool

    def apply(self, world: World) -> None:
        world.processes[self.stage, self.number].frozen = True
        if self.long:
            world.assign(self.stage, [1 - self.number])


@dataclass(frozen=True)
class Wake:
    """It goes on where it was, before it hears of anything."""

    stage: str
    number: int
    turns: int

    def apply(self, world: World) -> None:
        process = world.processes[self.stage, self.number]
        if process.frozen:
            process.frozen = False
            for _ in range(self.turns):
                process.step()
            process.hear()


@dataclass(frozen=True)
class Rebalance:
    """The group spreads the partitions of a stage in another way."""

    stage: str
    numbers: tuple[int, ...]

    def apply(self, world: World) -> None:
        world.assign(self.stage, self.numbers)


@dataclass(frozen=True)
class Fail:
    """The next commit of a process ends with an error, whether or not it happened."""

    stage: str
    number: int
    fate: Fate

    def apply(self, world: World) -> None:
        world.processes[self.stage, self.number].fate = self.fate


@dataclass(frozen=True)
class Behind:
    """A stage's coordinator comes back: until it is abreast it knows what it knows now, or nothing.

    Kafka's once named an offset from twenty seconds before.
    """

    stage: str
    knows: bool = False

    def apply(self, world: World) -> None:
        for place, offset in world.broker.committed.items():
            if place[0] == self.stage:
                world.broker.behind[place] = offset if self.knows else None


@dataclass(frozen=True)
class Abreast:
    """Coordinators know all commits again."""

    def apply(self, world: World) -> None:
        world.broker.behind.clear()


@dataclass(frozen=True)
class Again:
    """The transport hands over once more what it has handed over."""

    stage: str
    number: int

    def apply(self, world: World) -> None:
        for owner in world.processes[self.stage, self.number].owners.values():
            if isinstance(owner, LogOwner) and owner.latest is not None:
                owner.inbox.append(owner.latest)


@dataclass(frozen=True)
class Skew:
    """A process's clock is wrong, within what is allowed."""

    stage: str
    number: int
    error_s: float

    def apply(self, world: World) -> None:
        world.processes[self.stage, self.number].error_us = round(self.error_s * SECOND_US)
