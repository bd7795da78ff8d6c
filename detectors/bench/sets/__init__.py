"""Sets of labelled files, by the name of their directory.

To add one: write how a file is read in a module of its own here, add a line below. What cannot be
read is a ``Refused`` with the reason; the other files go on.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from detectors.bench.labelled import Labelled, Refused
from detectors.bench.sets import arrays, ms_cloud, nab


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Where the files of a set lie below its directory, and how one is read.

    read: is given the set's directory, the file and the name it is to have; raises a ValueError,
        KeyError or OSError for a file that is not what it should be.
    """

    pattern: str
    read: Callable[[Path, Path, str], Labelled]


SETS: Final[Mapping[str, LabelledSet]] = {
    "asd": LabelledSet("*.npz", arrays.reader(step_s=300.0)),
    "ms_cloud": LabelledSet("*/*.csv", ms_cloud.read),
    "nab": LabelledSet("data/*/*.csv", nab.read),
    "smd": LabelledSet("*.npz", arrays.reader(step_s=60.0)),
}


def read_set(name: str, data: Path) -> Iterator[Labelled | Refused]:
    """Every file of a set below ``data``, in the order of their names."""
    known, home = SETS[name], data / name
    for path in sorted(home.glob(known.pattern)):
        yield _read(known, home, path, path.relative_to(data).as_posix())


def _read(known: LabelledSet, home: Path, path: Path, name: str) -> Labelled | Refused:
    try:
        return known.read(home, path, name)
    except KeyError as exc:
        return Refused(name, f"{exc.args[0]!r} must be there, and is not")
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as exc:
        return Refused(name, f"{exc}")
