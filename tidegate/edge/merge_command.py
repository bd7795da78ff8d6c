"""``tidegate merge-sites``."""

import argparse
from pathlib import Path
from typing import Final

from tidegate.settings import Settings

MEANING: Final = "what sites know, as if one had seen it all: a new site begins with that"


def add_merge_sites(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("merge-sites", help=MEANING, description=MEANING)
    files = "spool of a site (edge-SITE.sqlite), or a file that this command wrote"
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=files)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="for edge.begins_with"
    )
    parser.set_defaults(run=_merge)


def _merge(arguments: argparse.Namespace, settings: Settings) -> int:
    from tidegate.edge.merge_sites import merge_sites  # noqa: PLC0415  loads scikit-learn and River
    from tidegate.edge.site import settings_of  # noqa: PLC0415

    knowledge = merge_sites(arguments.files, arguments.out, settings_of(settings))
    for (kind, by, alike), known in knowledge.known:
        where = " ".join(word for word in alike if word) or "any"
        summed = f" by {','.join(by)}" if by else ""
        able, all_of_it = len(known.members), known.calibration.seen.shape[1]
        print(f"{kind} {where}{summed}: {able} of {all_of_it} detectors know what holds elsewhere")
    return 0
