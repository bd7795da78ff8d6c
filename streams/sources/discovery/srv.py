"""SRV records of a name, asked for over UDP (RFC 1035, RFC 2782); Python's library has none."""

import asyncio
import secrets
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from streams.sources.discovery.polled import DiscoveryError

Address = tuple[str, int]

TIMEOUT_S: Final = 2.0
_SRV: Final = 33
_MAX_JUMPS: Final = 16


def name_servers(path: Path = Path("/etc/resolv.conf")) -> list[Address]:
    """The name servers of this machine."""
    try:
        words = [line.split() for line in path.read_text().splitlines()]
    except OSError as exc:
        raise DiscoveryError(f"no name server: {exc}") from exc
    return [(each[1], 53) for each in words if len(each) > 1 and each[0] == "nameserver"]


async def ask(name: str, servers: Sequence[Address]) -> list[tuple[str, int]]:
    """Host and port of each record, from the first server that answers."""
    cause = "no name server is known"
    for server in servers:
        number = secrets.randbits(16)
        try:
            answer = await asyncio.wait_for(_exchange(question(number, name), server), TIMEOUT_S)
            return records(answer, number)
        except (OSError, TimeoutError, ValueError, IndexError, struct.error) as exc:
            cause = f"{server[0]}: {exc or 'no answer'}"
    raise DiscoveryError(f"{name}: {cause}")


def question(number: int, name: str) -> bytes:
    labels = name.rstrip(".").encode("idna").split(b".")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return (
        struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + encoded + struct.pack(">HH", _SRV, 1)
    )


def records(answer: bytes, number: int) -> list[tuple[str, int]]:
    """What an answer holds, sorted. Raises ValueError, IndexError or struct.error for nonsense."""
    got, flags, questions, answers = struct.unpack_from(">HHHH", answer)
    if got != number or flags & 0xF:
        raise ValueError(f"the answer has code {flags & 0xF}")
    if flags & 0x0200:
        raise ValueError("the answer is too long for a datagram")
    at = 12
    for _ in range(questions):
        at = _name(answer, at)[1] + 4
    found = []
    for _ in range(answers):
        at = _name(answer, at)[1]
        kind, _class, _ttl, size = struct.unpack_from(">HHIH", answer, at)
        at += 10
        if kind == _SRV:
            (port,) = struct.unpack_from(">H", answer, at + 4)
            found.append((_name(answer, at + 6)[0], port))
        at += size
    return sorted(found)


def _name(answer: bytes, at: int) -> tuple[str, int]:
    """A name, and where what follows it begins; names may point to parts of others."""
    labels: list[str] = []
    after = 0
    for _ in range(_MAX_JUMPS * 8):
        size = answer[at]
        if size >= 0xC0:
            after = after or at + 2
            at = (size & 0x3F) << 8 | answer[at + 1]
        elif size == 0:
            return ".".join(labels), after or at + 1
        else:
            labels.append(answer[at + 1 : at + 1 + size].decode("ascii"))
            at += size + 1
    raise ValueError("the answer holds a name without end")


class _One(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _addr: object) -> None:
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _exchange(query: bytes, server: Address) -> bytes:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_One, remote_addr=server)
    try:
        transport.sendto(query)
        return await protocol.answer
    finally:
        transport.close()
