"""The C library's allocator, told how many heaps a process may have."""

import ctypes
from contextlib import suppress
from typing import Final

M_ARENA_MAX: Final = -8


def share_one_heap() -> None:
    """All threads allocate from the same heap; call it before there are any.

    glibc gives each thread one of its own, up to eight for each core, and each keeps room for the
    largest that any thread ever had at once: steps of WATCH go from thread to thread, and its
    memory grew for an hour. Threads that compute take turns here anyway. Other C libraries have no
    such limit, and nothing happens.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
