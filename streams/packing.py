"""Plain state in, bytes out, and back: dataclasses, records, containers and numpy arrays.

MessagePack; an array is [dtype, shape, bytes]. The types that the reader names say what may come:
nothing that is read can run code, and what does not fit is refused as a whole.
"""

from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec
import numpy as np

from streams.errors import SnapshotError

T = TypeVar("T")


def pack(state: object) -> bytes:
    """A copy of ``state`` as it is now.

    >>> unpack(pack({"mean": [1.5, 2.0]}), dict[str, list[float]])
    {'mean': [1.5, 2.0]}
    """
    return _ENCODER.encode(state)


def unpack(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Raises SnapshotError unless ``data`` holds what ``kind`` says, to the dtype of arrays."""
    try:
        return msgspec.msgpack.decode(data, type=kind, dec_hook=_decoded)
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise SnapshotError(f"{kind.__name__}: {exc}") from exc


def _encoded(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    raise TypeError(f"{type(value).__name__} is no plain state")


def _decoded(kind: Any, value: Any) -> Any:
    if get_origin(kind) is not np.ndarray:
        raise TypeError(f"{kind} is no plain state")
    wanted = np.dtype(get_args(get_args(kind)[1])[0])
    dtype, shape, data = value
    if dtype != wanted.str:
        raise ValueError(f"array of {dtype}, expected {wanted.str}")
    # A copy: what is read from bytes cannot be written to.
    return np.frombuffer(data, wanted).reshape(shape).copy()


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_encoded)
