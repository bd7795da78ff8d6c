"""Who waits and who is next."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_backend.gateway.queue import FairQueue


@dataclass(eq=False)
class One:
    """Somebody who waits."""

    name: str

    @property
    def tenant(self) -> str:
        return self.name[0]


def queue_of(*names: str, limit: int = 99) -> FairQueue[One]:
    queue: FairQueue[One] = FairQueue(limit)
    for name in names:
        queue.put(One(name))
    return queue


def drained(queue: FairQueue[One]) -> list[str]:
    names = []
    while (one := queue.pop()) is not None:
        names.append(one.name)
    return names


@pytest.mark.parametrize(
    ("came", "served"),
    [
        pytest.param(["a1", "a2", "a3"], ["a1", "a2", "a3"], id="first-come-first-served"),
        pytest.param(
            ["a1", "a2", "a3", "b1", "c1"], ["a1", "b1", "c1", "a2", "a3"], id="tenants-take-turns"
        ),
        pytest.param([], [], id="nobody"),
    ],
)
def test_order(came: list[str], served: list[str]) -> None:
    assert drained(queue_of(*came)) == served


def test_whoever_came_after_a_flood_waits_for_one_of_it() -> None:
    queue = queue_of(*(f"a{n}" for n in range(90)))
    queue.pop()
    queue.put(One("b"))

    assert drained(queue).index("b") == 1


def test_a_full_queue_takes_nobody() -> None:
    queue = queue_of("a1", "b1", limit=2)

    assert not queue.put(One("c1"))
    assert len(queue) == 2


def test_who_lost_its_replica_goes_first_even_if_it_is_full() -> None:
    queue = queue_of("a1", "b1", limit=2)
    queue.put_back(One("b0"))

    assert drained(queue) == ["b0", "a1", "b1"]


def test_who_leaves_is_not_called() -> None:
    queue, leaver = queue_of("a1"), One("b1")
    queue.put(leaver)

    assert (queue.remove(leaver), queue.remove(leaver)) == (True, False)
    assert drained(queue) == ["a1"]


def test_the_next_is_the_one_that_is_called() -> None:
    queue = queue_of("a1", "b1")

    assert queue.peek() is queue.pop()


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from("abc"), max_size=40))
def test_within_a_tenant_the_order_is_kept_and_nobody_is_lost(came: list[str]) -> None:
    names = [f"{tenant}{n:02}" for n, tenant in enumerate(came)]
    served = drained(queue_of(*names))

    assert [sorted(served)] == [sorted(names)]
    for tenant in "abc":
        own = [name for name in served if name[0] == tenant]
        assert own == sorted(own)
