"""A moving gradient as an MP4, frame by frame."""

import io
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model_backend.replicas.llama_engine import require

FRAMES_PER_S: Final = 12
SHRINK: Final = 4


class Clip:
    """A clip of ``seconds`` seconds in memory, at a quarter of ``size`` (`1280x720` → 320x180)."""

    def __init__(self, size: str, seconds: int) -> None:
        self._av: Any = require("av")
        width, height = (int(side) // SHRINK for side in size.split("x"))
        self._frames = seconds * FRAMES_PER_S
        self._made = 0
        self._file = io.BytesIO()
        self._container = self._av.open(self._file, mode="w", format="mp4")
        self._stream = self._container.add_stream("mpeg4", rate=FRAMES_PER_S)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.thread_count = 1
        self._ramp = np.linspace(0, 255, height)[:, None], np.linspace(0, 255, width)[None, :]

    def advance(self, share: float) -> None:
        """Make the frames up to this share (0 to 1) of the clip."""
        while self._made < round(self._frames * share):
            frame = self._av.VideoFrame.from_ndarray(self._picture(self._made), format="rgb24")
            self._container.mux(self._stream.encode(frame))
            self._made += 1

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode())
        self._container.close()
        return self._file.getvalue()

    def _picture(self, number: int) -> npt.NDArray[np.uint8]:
        down, across = self._ramp
        shift = 255 * number / self._frames
        layers = (across + shift + 0 * down, down - shift + 0 * across, (down + across) / 2 + shift)
        return np.stack(layers, axis=-1).astype(np.int64).astype(np.uint8)
