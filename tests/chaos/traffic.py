"""Seeded traffic with all that can be wrong with it: late, skewed, bad, repeated, silent."""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec
import numpy as np

from streams.clock import SECOND_US
from streams.codec import FrameHeader, encode_frame, encode_record
from streams.schemas.scaling import PoolStatus
from streams.schemas.telemetry import Change, EngineSample, GpuSample, RequestEvent
from streams.stage import Out

POOLS: Final = ("codex", "sora", "chat", "embed")
RAW_PARTITIONS: Final = 2
BAD: Final = (b"moon", b'{"kind":"arrived"}', b'{"at_us":NaN}', b"TGF1 but no frame", b"")
FRAME: Final = 40
"""Records in a frame, or lines in a message."""
SINGLES: Final = 30
"""Records at most that come in a message of their own, of a kind and moment."""
STRETCH_S: Final = 8
"""In every other stretch of this length one replica does not answer, another one each time."""


class Traffic:
    """What services, gateways and agents would send in the next moment; ``sent`` counts records.

    Partition 1 of `gpu` is always idle, that of `engine` every other ten seconds.
    """

    def __init__(self, seed: int, *, began_us: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._began_us = began_us
        self._sequence = 0
        self._second = -1

    def moment(self, now_us: int, events: int) -> Iterator[Out]:
        """So many records of the moment ``now_us``, and what is wrong with them."""
        requests, engine = round(events * 0.7), round(events * 0.25)
        yield from self._requests(now_us, requests)
        yield from self._engine(now_us, engine)
        yield from self._gpu(now_us, max(0, events - requests - engine))
        second = (now_us - self._began_us) // SECOND_US
        if second > self._second:
            self._second = second
            yield from self._once_a_second(now_us, second)

    def _requests(self, now_us: int, count: int) -> Iterator[Out]:
        lines = [encode_record(self._request(self._at_us(now_us))) for _ in range(count)]
        singles = min(count // 10 + 1, SINGLES)
        for line in lines[:singles]:
            yield _raw("requests", 1, line)
        for some in _parts(lines[singles:]):
            frame = self._frame(some)
            # Every tenth a producer does not hear the answer and sends it again.
            for _ in range(1 + (self._rng.random() < 0.1)):
                yield _raw("requests", 0, frame)

    def _engine(self, now_us: int, count: int) -> Iterator[Out]:
        since_s = (now_us - self._began_us) // SECOND_US
        stretch = since_s // STRETCH_S
        silent = f"{POOLS[stretch // 2 % len(POOLS)]}-{stretch % 3 + 1}" if stretch % 2 else ""
        lines = [self._sample(self._at_us(now_us), silent) for _ in range(count)]
        for number, some in enumerate(_parts(lines)):
            partition = int(since_s // 10 % 2 and number % 2)
            yield _raw("engine", partition, b"\n".join(some))

    def _sample(self, at_us: int, silent: str) -> bytes:
        pool = POOLS[int(self._rng.integers(len(POOLS)))]
        replica = f"{pool}-{self._rng.integers(1, 4)}"
        sample = EngineSample(
            at_us=at_us,
            pool=pool,
            replica=replica,
            up=float(replica != silent),
            running=float(self._rng.integers(8)),
        )
        return encode_record(sample)

    def _gpu(self, now_us: int, count: int) -> Iterator[Out]:
        for _ in range(min(count, SINGLES)):
            sample = GpuSample(
                at_us=self._at_us(now_us),
                node=f"node-{self._rng.integers(3)}",
                gpu_uuid=f"GPU-{self._rng.integers(8)}",
                temperature_c=float(self._rng.normal(60, 3)),
            )
            yield _raw("gpu", 0, encode_record(sample))

    def _once_a_second(self, now_us: int, second: int) -> Iterator[Out]:
        yield _raw("requests", int(second % 2), BAD[second % len(BAD)])
        pool = POOLS[second % len(POOLS)]
        status = PoolStatus(
            pool=pool,
            service=pool,
            model="m",
            at_us=now_us,
            desired=3,
            ready=3,
            min_replicas=1,
            max_replicas=4,
        )
        yield Out(topic="pools", key=f"local/{pool}", value=status, partition=0)
        if second % 7 == 3:
            change = Change(
                id=f"deploy@{now_us}", at_us=now_us, kind="deployed", summary="new", pool=pool
            )
            yield _raw("changes", int(second % 2), encode_record(change))

    def _at_us(self, now_us: int) -> int:
        """Most are on time; some producers' clocks are wrong, some records come late."""
        fate = self._rng.random()
        if fate < 0.01:
            return now_us - int(self._rng.integers(4, 40)) * SECOND_US
        if fate < 0.03:
            return now_us + 2 * SECOND_US
        if fate < 0.032:
            return now_us + 60 * SECOND_US
        return now_us - int(self._rng.integers(SECOND_US // 5))

    def _request(self, at_us: int) -> RequestEvent:
        kind: Literal["arrived", "finished"] = "arrived" if self._rng.random() < 0.5 else "finished"
        done = kind == "finished"
        return RequestEvent(
            kind=kind,
            at_us=at_us,
            pool=POOLS[int(self._rng.integers(len(POOLS)))],
            model="m",
            route="chat",
            tenant=f"tenant-{self._rng.integers(20)}",
            status=200 if done else 0,
            output_tokens=int(self._rng.integers(1, 200)) if done else 0,
            ttft_s=float(self._rng.gamma(2, 0.1)) if done else None,
        )

    def _frame(self, lines: list[bytes]) -> bytes:
        self._sequence += 1
        header = FrameHeader(
            producer="gateway", boot="b", sequence=self._sequence, count=len(lines)
        )
        return encode_frame(header, b"\n".join(lines))


def _parts(lines: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(lines), FRAME):
        yield lines[start : start + FRAME]


def _raw(topic: str, partition: int, value: bytes | msgspec.Struct) -> Out:
    return Out(topic=topic, key="", value=value, partition=partition)
