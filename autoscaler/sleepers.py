"""Replicas that have drained in, who of them sleeps and who ends out. Pure."""

from collections.abc import Sequence

from streams.schemas.scaling import ReplicaStatus


class Sleepers:
    """As many of those no longer needed sleep as may; none, once an engine has said it cannot.

    most: how many may.
    """

    def __init__(self, most: int) -> None:
        self.most = most

    def refused(self, replica: str, why: str) -> str:
        """What there is to say of it."""
        self.most = 0
        return f"{replica} cannot sleep ({why}): none is put to sleep any more"

    def choose(self, empty: Sequence[str], replicas: Sequence[ReplicaStatus]) -> tuple[str, ...]:
        """Those of the ``empty`` ones, which have nothing in flight, that are to sleep."""
        beds = self.most - sum(replica.state == "asleep" for replica in replicas)
        return tuple(empty[: max(0, beds)])


def was_woken(replica: ReplicaStatus) -> bool:
    """Whether its newest start, which is over, was no start."""
    return "wake" in replica.phases_s
