"""Programs of Debian's packages: unpacked, not installed, so that none of them starts by itself."""

import os
import shutil
from pathlib import Path

from tests.services.base import Missing, call, need, say


def unpacked(package: str, program: str, home: Path, size: str) -> Path:
    """``usr/bin/program`` of the package, fetched into ``home`` once. Raises Missing."""
    found = home / program
    if not found.exists():
        for tool in ("apt-get", "dpkg-deb"):
            need(tool, f"only Debian's package {package} is known here")
        say(f"fetching {package} ({size})")
        home.mkdir(parents=True, exist_ok=True)
        _download(package, home)
        archive = next(home.glob(f"{package}_*.deb"))
        call(["dpkg-deb", "-x", str(archive), str(home / "unpacked")])
        shutil.move(home / "unpacked" / "usr" / "bin" / program, found)
        shutil.rmtree(home / "unpacked")
        archive.unlink()
    return found


def _download(package: str, home: Path) -> None:
    try:
        call(["apt-get", "download", "-q", package], cwd=home)
    except Missing:
        if os.geteuid() != 0:
            raise
        call(["apt-get", "update", "-q"])  # the lists may be old or absent
        call(["apt-get", "download", "-q", package], cwd=home)
