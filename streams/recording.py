"""Messages with their stamps in one file: written and read as a stream, compressed, versioned.

====== ==== ==============================================================
offset size meaning
====== ==== ==============================================================
0      4    magic: ``TGR1``
4      ...  one zstd frame, which holds the entries and the end
====== ==== ==============================================================

An entry is its length (4 bytes, little-endian) and a message as a msgpack map: topic without
prefix, partition, offset, timestamp_us (append time, where the topic has one), key, value, headers.
The end is a length of 0 and the number of entries (8 bytes): a file without it was cut off.
Entries stand in the order of ``streams.ordered``.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import msgspec
import zstandard

from streams.batch import Message
from streams.errors import CorruptMessageError

MAGIC: Final = b"TGR1"
MAX_ENTRY_BYTES: Final = 64 * 1024 * 1024
_LENGTH: Final = struct.Struct("<I")
_COUNT: Final = struct.Struct("<Q")


class RecordingWriter:
    """Writes a recording; one that was not closed in good order has no end, and says so."""

    def __init__(self, path: Path) -> None:
        self.entries = 0
        self._file = path.open("wb")
        self._file.write(MAGIC)
        self._stream = zstandard.ZstdCompressor().stream_writer(self._file)
        self._encoder = msgspec.msgpack.Encoder()

    def write(self, message: Message) -> None:
        entry = self._encoder.encode(message)
        self._stream.write(_LENGTH.pack(len(entry)) + entry)
        self.entries += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._stream.write(_LENGTH.pack(0) + _COUNT.pack(self.entries))
        self._stream.close()  # type: ignore[no-untyped-call]
        self._file.close()


def read_recording(path: Path) -> Iterator[Message]:
    """Its messages, one by one; raises CorruptMessageError with the place where it is broken."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise CorruptMessageError(f"{path} is no recording of a version that we know")
            reader = zstandard.ZstdDecompressor().stream_reader(file)
            yield from _entries(path, reader)
    except OSError as exc:
        raise CorruptMessageError(f"{path} cannot be read ({exc.strerror})") from exc


def _entries(path: Path, reader: IO[bytes]) -> Iterator[Message]:
    decoder = msgspec.msgpack.Decoder(Message)
    entries = 0
    try:
        while size := _LENGTH.unpack(_exactly(reader, _LENGTH.size))[0]:
            yield decoder.decode(_exactly(reader, size))
            entries += 1
        promised = _COUNT.unpack(_exactly(reader, _COUNT.size))[0]
    except (zstandard.ZstdError, msgspec.MsgspecError, EOFError) as exc:
        raise CorruptMessageError(f"{path} is broken after {entries:,} messages ({exc})") from exc
    if promised != entries:
        raise CorruptMessageError(f"{path} promises {promised:,} messages and holds {entries:,}")


def _exactly(reader: IO[bytes], size: int) -> bytes:
    if size > MAX_ENTRY_BYTES:
        raise EOFError(f"an entry of {size:,} bytes, allowed are {MAX_ENTRY_BYTES:,}")
    data = reader.read(size)
    if len(data) < size:
        raise EOFError("it was cut off here")
    return data
