"""Seeded load: a steady crowd that everybody knows, and names that never come again."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from streams.codec import FrameHeader, encode_frame, encode_record
from streams.schemas.telemetry import EngineSample, RequestEvent
from streams.stage import Out

POOLS: Final = ("codex", "sora", "chat", "embed")
FRAME: Final = 200
STEADY: Final = 200
"""Events a second of series that come again and again."""


class Load:
    """``names`` counts the distinct series thrown so far, over all stretches."""

    def __init__(self, seed: int, *, names: int, stretch: int) -> None:
        self.names = names
        self._rng = np.random.default_rng([seed, stretch])
        self._boot = f"stretch-{stretch}"
        self._sequence = 0

    def moment(self, now_us: int, steady: int, new: int) -> Iterator[Out]:
        lines = [self._request(now_us, f"tenant-{self._rng.integers(50)}") for _ in range(steady)]
        for _ in range(new):
            self.names += 1
            lines.append(self._request(now_us, f"stranger-{self.names}"))
        for start in range(0, len(lines), FRAME):
            part = lines[start : start + FRAME]
            self._sequence += 1
            header = FrameHeader(
                producer="soak", boot=self._boot, sequence=self._sequence, count=len(part)
            )
            frame = encode_frame(header, b"\n".join(part))
            yield Out(topic="requests", key="", value=frame, partition=self._sequence % 2)
        for number, pool in enumerate(POOLS):
            sample = EngineSample(at_us=now_us, pool=pool, replica=f"{pool}-1", up=1.0)
            yield Out(topic="engine", key="", value=sample, partition=number % 2)

    def _request(self, now_us: int, tenant: str) -> bytes:
        pool = POOLS[int(self._rng.integers(len(POOLS)))]
        event = RequestEvent(
            kind="finished",
            at_us=now_us - int(self._rng.integers(100_000)),
            pool=pool,
            tenant=tenant,
            status=200,
            ttft_s=float(self._rng.gamma(2, 0.1)),
        )
        return encode_record(event)
