"""Rules of a pool in, their version out: other rules, another word."""

from collections.abc import Collection, Iterable
from hashlib import blake2b

from streams.codec import encode_record
from streams.errors import OutdatedError
from streams.schemas.incidents import Rule


def version_of(rules: Iterable[Rule]) -> str:
    """The same wherever it is worked out; silences do not count, they move no replica.

    >>> version_of([])
    'e4a6a0577479b2b4'
    """
    digest = blake2b(digest_size=8)
    for rule in sorted(rules, key=lambda rule: rule.id):
        if rule.kind != "silence":
            digest.update(encode_record(rule))
    return digest.hexdigest()


def check_version(known: Collection[str], rules: Iterable[Rule], pool: str) -> None:
    """Raises OutdatedError unless one of the ``known`` versions, if any, is that of the rules."""
    if known and (version := version_of(rules)) not in known:
        raise OutdatedError(
            f"the rules of pool {pool} are not those named in If-Match ({', '.join(known)}), but "
            f"{version}: read them again, then ask again"
        )
