"""What a look says to people (lines of text) or to programs (lines of JSON)."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from tidegate.watch.verdict import Verdict


class Teller(Protocol):
    """Says each thing once, in the order in which it becomes known."""

    def understood(self, sentences: Sequence[str], failed: Sequence[str]) -> None: ...

    def page(self, url: str) -> None: ...

    def verdict(self, verdict: Verdict, after_s: float) -> None: ...

    def trouble(self, sentence: str) -> None:
        """What keeps us from reading; empty when nothing does any more."""
        ...


class Plain:
    """For a terminal."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._trouble = ""

    def understood(self, sentences: Sequence[str], failed: Sequence[str]) -> None:
        for sentence in [*sentences, *(f"not looked at: {one}" for one in failed)]:
            self._say(sentence)

    def page(self, url: str) -> None:
        self._say(f"page: {url}")

    def verdict(self, verdict: Verdict, after_s: float) -> None:
        self._say(f"after {_span(after_s)}: {verdict.sentence}")

    def trouble(self, sentence: str) -> None:
        if bool(sentence) != bool(self._trouble):
            self._say(f"{sentence}; we go on asking" if sentence else "it answers again")
        self._trouble = sentence


class Json:
    """For a script: one object a line, told apart by ``kind``."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._trouble = ""

    def understood(self, sentences: Sequence[str], failed: Sequence[str]) -> None:
        self._line("understood", sentences=sentences, failed=failed)

    def page(self, url: str) -> None:
        self._line("page", url=url)

    def verdict(self, verdict: Verdict, after_s: float) -> None:
        self._line(
            "verdict",
            state=verdict.state,
            sentence=verdict.sentence,
            findings=verdict.findings,
            after_s=round(after_s, 1),
        )

    def trouble(self, sentence: str) -> None:
        if bool(sentence) != bool(self._trouble):
            self._line("trouble", sentence=sentence)
        self._trouble = sentence

    def _line(self, kind: str, **facts: object) -> None:
        self._say(msgspec.json.encode({"kind": kind, **facts}).decode())


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
