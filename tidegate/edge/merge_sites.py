"""What sites know in, one file out that a new site begins with."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from detectors.knowledge import Knowledge, knowledge_of, teach, together
from detectors.watch import Watch, meaning_of
from streams.errors import InvalidParameterError, SnapshotError
from streams.packing import pack, unpack
from tidegate.edge.site import Site
from tidegate.edge.spool import Spool
from tidegate.settings import Settings

_SQLITE: Final = b"SQLite format 3"


def merge_sites(files: Sequence[Path], out: Path, settings: Settings) -> Knowledge:
    """Raises InvalidParameterError for a file that is none of these, or of other detectors.

    settings: as ``settings_of`` has them.
    """
    panels = Site(settings).watch.panels
    knowledge = together(panels, [_read(settings, path) for path in files])
    out.write_bytes(pack(knowledge))
    return knowledge


def begin(watch: Watch, settings: Settings) -> None:
    """A site's newcomers begin with what ``edge.begins_with`` holds, if it is set.

    Raises InvalidParameterError for a file that is none, or of other detectors.
    """
    if not settings.edge.begins_with:
        return
    knowledge = _known(Path(settings.edge.begins_with))
    if knowledge.meaning != _meaning(settings):
        raise InvalidParameterError(
            "edge.begins_with",
            settings.edge.begins_with,
            "of sites with these detectors and windows",
        )
    teach(watch.panels, knowledge)


def _read(settings: Settings, path: Path) -> Knowledge:
    if not path.exists():
        raise InvalidParameterError("FILE", str(path), "a file that exists")
    with path.open("rb") as file:
        is_spool = file.read(len(_SQLITE)) == _SQLITE
    return _of_site(settings, path) if is_spool else _known(path)


def _of_site(settings: Settings, path: Path) -> Knowledge:
    site = Site(settings)
    with closing(Spool(path, max_bytes=settings.edge.spool_bytes, born=0)) as spool:
        state = spool.state(site.meaning)
    if state is None:
        allowed = "a spool with a snapshot of the detectors and windows set here"
        raise InvalidParameterError("FILE", str(path), allowed)
    site.load(state)
    return knowledge_of(site.watch.panels, _meaning(settings))


def _known(path: Path) -> Knowledge:
    try:
        return unpack(path.read_bytes(), Knowledge)
    except (OSError, SnapshotError) as exc:
        allowed = f"a file of `tidegate merge-sites` ({exc})"
        raise InvalidParameterError("FILE", str(path), allowed) from exc


def _meaning(settings: Settings) -> str:
    """The same at all sites, whatever they read."""
    return meaning_of(settings.detection, settings.stream.windows, ())
