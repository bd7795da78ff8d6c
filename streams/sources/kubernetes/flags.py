"""A container's command in, its flags with values that may be shown out."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from streams.redact import GONE, redacted_head

MAX_SHOWN: Final = 80
MAX_SCRIPT: Final = 16_384
"""A longer script is one word."""
PLAIN: Final = "command"
"""What stands before the first flag."""

_SECRET: Final = re.compile(
    r"(?:^|[-_.])(?:keys?|secrets?|passwords?|passwd|pwd|credentials?|auth|authorization|tokens?)"
    r"(?:$|[-_.])|api_?-?key|password|secret",
    re.IGNORECASE,
)
_COUNTED: Final = re.compile(r"(?:^|[-_.])tokens?(?:$|[-_.])", re.IGNORECASE)
"""`--max-num-batched-tokens 8192` is no secret."""
_FLAG: Final = re.compile(r"-{1,2}[A-Za-z]")
_PAIR: Final = re.compile(r"(?P<name>[\w.-]+)\s*(?P<sign>[=:])\s*")
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_SHELL: Final = re.compile(r"-[a-z]*c")


def flags(words: Sequence[str]) -> dict[str, list[str]]:
    """Flag -> its values; given more than once, all of them. A script of a shell is taken apart.

    >>> flags(["sh", "-c", "exec vllm serve gemma --tp=2 --lora a b"])["--lora"]
    ['a', 'b']
    """
    found: dict[str, list[str]] = {}
    flag = PLAIN
    for word in _words(words):
        value = [word]
        # A secret may begin with a dash.
        waits = not found.get(flag) and not word.startswith("--") and _SECRET.search(flag)
        if _FLAG.match(word) and not waits:
            flag, equals, after = word.partition("=")
            value = [after] if equals else []
        found.setdefault(flag, []).extend(value)
    return found


def shown(flag: str, values: Sequence[str]) -> str:
    """Without what is secret, by the name of the flag or by the look of a value.

    >>> shown("--api-key", ["abc"]), shown("--max-num-seqs", ["64"])
    ('[redacted]', '64')
    """
    # What comes behind is cut off anyway, and may be megabytes.
    return cut(" ".join(_harmless(flag, value[: 2 * MAX_SHOWN]) for value in values[:MAX_SHOWN]))


def cut(text: str, limit: int = MAX_SHOWN) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _harmless(flag: str, value: str) -> str:
    if _SECRET.search(flag) and not (_COUNTED.search(flag) and value.isdecimal()):
        return GONE
    for pair in _PAIR.finditer(value):
        is_variable = pair["sign"] == "=" and _VARIABLE.fullmatch(pair["name"])
        if is_variable or _SECRET.search(pair["name"]):
            return f"{value[: pair.end()]}{GONE}"
    return redacted_head(value.encode(errors="replace"))


def _words(words: Sequence[str]) -> Iterator[str]:
    before = ""
    for word in words:
        if _SHELL.fullmatch(before) and len(word) <= MAX_SCRIPT:
            yield from _split(word)
        else:
            yield word
        before = word


def _split(script: str) -> list[str]:
    try:
        return shlex.split(script)
    except ValueError:
        return script.split()
