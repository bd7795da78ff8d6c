"""What may happen to a world, step by step, as values that hypothesis draws, prints and shrinks."""

from typing import Final, Protocol

from hypothesis import strategies as st

from tests.model.happens import (
    Again,
    Crash,
    Everybody,
    Fail,
    Freeze,
    Pause,
    Rebalance,
    Run,
    Skew,
    Wake,
)
from tests.model.sent import (
    Added,
    Bad,
    Changed,
    Driven,
    Frames,
    Held,
    Released,
    Resolved,
    Send,
    Traffic,
)
from tests.model.world import PROCESSES, STAGES, World


class Step(Protocol):
    def apply(self, world: World) -> None: ...


_STAGE: Final = st.sampled_from(STAGES)
_NUMBER: Final = st.integers(0, PROCESSES - 1)
_OFFSET: Final = st.sampled_from([0.0, -0.5, -1.4, -2.5, -3.5, -8.0, 1.0, 4.0, 9.0, 11.0])
_TRAFFIC: Final = st.builds(
    Traffic,
    seconds=st.integers(1, 12),
    rounds=st.sampled_from([0, 1, 6, 30]),
    dead=st.sampled_from([-1, -1, 0, 1]),
    slow=st.sampled_from([-1, -1, 0, 1]),
    flood=st.booleans(),
    burst=st.booleans(),
    silent=st.sampled_from([False, False, False, True]),
)
_RECORD: Final = st.one_of(
    st.builds(
        Send,
        st.sampled_from(["engine", "gpu", "gauge", "arrived", "finished", "rejected"]),
        _OFFSET,
        st.integers(0, 1),
        st.integers(0, 5),
    ),
    st.builds(Bad, st.sampled_from(["requests", "engine", "changes"])),
    st.builds(Frames, st.integers(0, 5), st.integers(1, 2)),
    st.builds(
        Changed,
        st.sampled_from(
            [
                "scaled", "deployed", "replica_started", "replica_ready", "replica_lost",
                "replica_stopped", "set_aside", "taken_back",
            ]
        ),
        st.integers(0, 5),
        _OFFSET,
    ),
    st.builds(
        Driven,
        st.sampled_from(["ready", "starting", "failed", "stopped"]),
        st.integers(0, 5),
        st.sampled_from([0.0, 1.0, 5.0]),
    ),
    st.just(Resolved()),
    st.builds(Held, st.integers(0, 5)),
    st.just(Released()),
    st.just(Added()),
)  # fmt: skip
_TURN: Final = st.one_of(
    st.builds(
        Run,
        _STAGE,
        _NUMBER,
        st.integers(1, 12),
        st.sampled_from([1, 3, 20, 1_000]),
        st.none() | st.integers(0, 4),
    ),
    st.builds(Everybody, st.integers(1, 20)),
    st.builds(Pause, st.sampled_from([0.2, 1.0, 3.5, 7.0])),
)
_FAULT: Final = st.one_of(
    st.builds(Crash, _STAGE, _NUMBER, st.booleans()),
    st.builds(Freeze, _STAGE, _NUMBER, st.booleans()),
    st.builds(Wake, _STAGE, _NUMBER, st.integers(0, 6)),
    st.builds(Rebalance, _STAGE, st.sampled_from([(0,), (1,), (0, 1), (1, 0), (0, 0, 1)])),
    st.builds(Fail, _STAGE, _NUMBER, st.sampled_from(["unsent", "unanswered"])),
    st.builds(Again, st.sampled_from(["ingest", "watch"]), _NUMBER),
    st.builds(Skew, _STAGE, _NUMBER, st.sampled_from([-0.4, 0.0, 0.4])),
)


@st.composite
def _trouble(draw: st.DrawFn) -> list[Step]:
    """There is something to do, a process is on it, and something happens to this process."""
    stage, number = draw(_STAGE), draw(_NUMBER)
    most = draw(st.sampled_from([1, 3, 1_000]))
    only = draw(st.none() | st.integers(0, 4))
    fault = draw(
        st.one_of(
            st.builds(Crash, st.just(stage), st.just(number), st.booleans()),
            st.builds(Freeze, st.just(stage), st.just(number), st.just(True)),
            st.builds(
                Fail, st.just(stage), st.just(number), st.sampled_from(["unsent", "unanswered"])
            ),
            st.builds(Again, st.just(stage), st.just(number)),
        )
    )
    return [
        Traffic(draw(st.integers(1, 3)), rounds=draw(st.sampled_from([0, 6]))),
        Run(stage, number, draw(st.integers(1, 8)), most, only),
        fault,
        Everybody(draw(st.integers(0, 12))),
        Wake(stage, number, draw(st.integers(0, 6))),
    ]


def schedules(longest: int) -> st.SearchStrategy[list[Step]]:
    """Anything that may happen, at most so many times."""
    single = st.one_of(_TRAFFIC, _RECORD, _TURN, _FAULT).map(lambda step: [step])
    parts = st.lists(single | _trouble(), min_size=1, max_size=longest)
    return parts.map(lambda found: [step for part in found for step in part])
