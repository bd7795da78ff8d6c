"""An answer in, as it passes; how many of its stretches repeat, whether it shows anything out.

No word of an answer is kept: a stretch of it is held until it is full, judged, and forgotten.
"""

import re
import zlib
from dataclasses import dataclass
from typing import Final

STRETCH_BYTES: Final = 1_024
"""About 250 tokens: so soon an answer that goes round in circles is noticed while it still does."""
LEAST_BYTES: Final = 32
"""What is left at the end of an answer and is shorter says nothing of repetition."""
HELD_BYTES: Final = 8 * STRETCH_BYTES
"""Of what comes at once only the last so much is judged: 0.1 ms."""
REPEATS: Final = 1 / 8
FRAME_BYTES: Final = 4
"""A stretch that can be packed into this share of its size, and so many bytes more, repeats itself.
Prose packs into half of it, tables and code into a third, the dullest JSON into 0.14; a sentence
again and again into 0.1 (docs/benchmarks.md)."""

# Text that is not empty: neither the opening event with the role nor the closing one has any.
_TEXT: Final = re.compile(
    rb'"(?:content|text|reasoning_content|reasoning|arguments)": ?"(?!")([^"\\]*(?:\\.[^"\\]*)*)'
)
_BLANK: Final = re.compile(rb"(?:\s|\\[nrt])*")
_END: Final = re.compile(rb'"finish_reason": ?"([a-z_]+)"')


class Answer:
    """What has been seen of one answer; the same for events of a stream and for a whole body.

    Quotes within text are always escaped in JSON, so the marks that are looked for stand only where
    they mean something.
    """

    __slots__ = ("_stretch", "end", "repeated", "shows", "stretches")

    def __init__(self) -> None:
        self._stretch = bytearray()
        self.stretches = 0
        """Judged so far,"""
        self.repeated = 0
        """and those of them that repeat themselves."""
        self.shows = False
        """It has text other than white space."""
        self.end = b""
        """Why it ended, as the engine says: `stop`, `length`, ..."""

    def take(self, data: bytes) -> int:
        """Whole events or a whole body; returns how many pieces of text are in it."""
        if ends := _END.findall(data):
            self.end = ends[-1]
        if pieces := _TEXT.findall(data):
            text = b"".join(pieces)
            self.shows = self.shows or _BLANK.fullmatch(text) is None
            self._stretch += text[-HELD_BYTES:]
            while len(self._stretch) >= STRETCH_BYTES:
                self._judge(STRETCH_BYTES)
        return len(pieces)

    def close(self) -> None:
        """Nothing more comes: judge what is left."""
        if len(self._stretch) >= LEAST_BYTES:
            self._judge(len(self._stretch))

    def _judge(self, size: int) -> None:
        self.stretches += 1
        self.repeated += repeats(bytes(self._stretch[:size]))
        del self._stretch[:size]


def repeats(stretch: bytes) -> bool:
    """Whether it says the same again and again, as a compressor finds.

    >>> repeats(b"The tide rises. " * 20), repeats(b"!" * 32)
    (True, True)
    >>> repeats(b"The tide rises in the bay, and the boats that lay on the sand are afloat. " * 2)
    False
    """
    return len(zlib.compress(stretch, 1, -zlib.MAX_WBITS)) <= REPEATS * len(stretch) + FRAME_BYTES


@dataclass(slots=True)
class Tally:
    """What was found of a replica's answers; names are those of ``EngineSample``."""

    ends: int = 0
    truncated: int = 0
    answers: int = 0
    answer_tokens: int = 0
    texts: int = 0
    empty: int = 0
    stretches: int = 0
    repeated: int = 0

    def read(self, answer: Answer) -> None:
        """Take over the stretches that were judged since the last time."""
        self.stretches += answer.stretches
        self.repeated += answer.repeated
        answer.stretches = answer.repeated = 0

    def ended(self, answer: Answer, tokens: int) -> None:
        """It is complete; one that was cut off, or left by its client, is no whole answer."""
        answer.close()
        self.read(answer)
        self.ends += answer.end != b""
        self.truncated += answer.end == b"length"
        self.answers += 1
        self.answer_tokens += tokens
        self.texts += 1
        self.empty += not answer.shows
