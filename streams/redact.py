"""Bytes of a bad record in, a short text without secrets and prompts out."""

import re
from typing import Final

HEAD_BYTES: Final = 4096
GONE: Final = "[redacted]"

_KEYS: Final = (
    r"authorization|proxy-authorization|cookie|set-cookie|(?:x-)?api[-_]?keys?|access[-_]?token|"
    r"token|secret|password|passwd|credentials?|prompt|messages?|content|input|inputs|text|"
    r"system|instructions|query|completion|output|response|body"
)
_MEMBER: Final = re.compile(
    # A name in quotes (they may be escaped, in JSON within JSON) and what follows its colon.
    rf"""(?P<quote>\\*["'])(?P<key>{_KEYS})(?P=quote)\s*:\s*""",
    re.IGNORECASE,
)
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*("|$)', re.DOTALL)
_SCALAR: Final = re.compile(r"(?:null|true|false|-?[0-9.eE+-]+)(?=\s*[,}\]]|\s*$)")
_LOOSE: Final = re.compile(
    r"(?i:bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}|(?<=://)[^/\s@\"']+(?=@)|"
    r"\b(?:sk|pk|tg|hf|gh[opsu]|glpat|whsec)[-_][A-Za-z0-9_+/=-]{8,}"
)


def redacted_head(data: bytes) -> str:
    """At most the first 4 KiB; bytes that are no UTF-8 are replaced.

    The values of names that may hold secrets or what people wrote are taken out. Where such a value
    is no plain string, everything after it goes too: a broken record cannot be parsed safely.
    """
    text = data[:HEAD_BYTES].decode(errors="replace")
    kept: list[str] = []
    at = 0
    while member := _MEMBER.search(text, at):
        kept += [text[at : member.end()], GONE]
        value = None
        if member["quote"] == '"':
            value = _STRING.match(text, member.end()) or _SCALAR.match(text, member.end())
        if value is None:
            return _LOOSE.sub(GONE, "".join(kept))
        at = value.end()
    return _LOOSE.sub(GONE, "".join([*kept, text[at:]]))
