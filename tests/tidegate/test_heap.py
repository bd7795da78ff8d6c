import subprocess
import sys
from pathlib import Path

import pytest

THREADS = """
import ctypes, sys, threading
from tidegate.heap import share_one_heap

if sys.argv[1] == "shared":
    share_one_heap()
met = threading.Barrier(4)

def allocate():
    kept = [bytes(50_000) for _ in range(10)]
    met.wait()
    return kept

threads = [threading.Thread(target=allocate) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries have no such limit")
@pytest.mark.parametrize(("how", "one"), [("shared", True), ("each", False)])
def test_threads_share_one_heap(tmp_path: Path, how: str, one: bool) -> None:
    told = tmp_path / "heaps.xml"
    subprocess.run([sys.executable, "-c", THREADS, how, str(told)], check=True)
    assert (told.read_text().count("<heap nr=") == 1) is one
