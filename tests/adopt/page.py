"""A page of docs/adopt as a stranger follows it: its files laid out, its commands typed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGES: Final = Path(__file__).parents[2] / "docs" / "adopt"
FENCE: Final = re.compile(
    r'^```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page; ``sh`` blocks are typed, blocks with a title are files."""

    name: str

    def commands(self) -> list[str]:
        """What the reader types, block by block."""
        return [fence["text"] for fence in self._fences() if fence["language"] == "sh"]

    def lay(self, folder: Path) -> None:
        """Write the files that the page shows."""
        for fence in self._fences():
            if fence["title"]:
                (folder / fence["title"]).write_text(fence["text"])

    def _fences(self) -> list[re.Match[str]]:
        return list(FENCE.finditer((PAGES / f"{self.name}.md").read_text()))


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Of somebody who has installed Tidegate and set nothing."""
    path = f"{Path(sys.executable).parent}{os.pathsep}/usr/local/bin:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", **more}


def run(
    command: str, folder: Path, *, timeout_s: float = 60.0, **more: str
) -> "subprocess.CompletedProcess[str]":
    """What typing ``command`` in ``folder`` gives; ``more`` are variables the page tells to set."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@contextmanager
def typed(command: str, folder: Path, **more: str) -> Iterator[Path]:
    """``command``, which goes on until it is stopped; the file has what it says."""
    said = folder / "said.log"
    with said.open("wb") as out:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env=environment(folder, **more),
            stdout=out,
            stderr=out,
            start_new_session=True,  # A signal to the shell alone would leave its child behind.
        )
    try:
        yield said
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
