"""Which replica takes the next request."""

from dataclasses import dataclass

import pytest

from model_backend.gateway.route import choose


@dataclass
class One:
    """A replica as the choice sees it."""

    replica: str
    in_flight: int = 0
    has_room: bool = True
    doubtful: bool = False
    taken_at_us: int = 0


@pytest.mark.parametrize(
    ("replicas", "avoid", "chosen"),
    [
        pytest.param([One("a", 2), One("b", 1)], (), "b", id="the-least-busy"),
        pytest.param([One("a", 0, has_room=False), One("b", 3)], (), "b", id="that-has-room"),
        pytest.param(
            [One("a", taken_at_us=2), One("b", taken_at_us=1)], (), "b", id="of-equals-the-rested"
        ),
        pytest.param([One("b"), One("a")], (), "a", id="else-by-name"),
        pytest.param([One("a", 0), One("b", 3)], ("a",), "b", id="not-where-it-failed"),
        pytest.param([One("a", doubtful=True), One("b", 3)], (), "b", id="not-a-doubtful-one"),
        pytest.param([One("a", 0)], ("a",), "a", id="unless-there-is-no-other"),
        pytest.param([One("a", has_room=False)], (), None, id="none-with-room"),
        pytest.param([], (), None, id="none-at-all"),
    ],
)
def test_choose(replicas: list[One], avoid: tuple[str, ...], chosen: str | None) -> None:
    found = choose(replicas, avoid)

    assert (found and found.replica) == chosen
