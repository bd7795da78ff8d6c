"""A directory of fault files in, the faults they describe out."""

import importlib.util
from pathlib import Path

from detectors.laboratory.fault import Fault
from streams.errors import InvalidParameterError


def load_faults(directory: Path) -> list[Fault]:
    """Of every ``NAME.py`` there but those that begin with an underscore, in order of names.

    They are programs and run with our rights, like any other Python file that somebody starts.
    """
    files = sorted(directory.glob("[!_]*.py")) if directory.is_dir() else []
    if not files:
        raise InvalidParameterError(
            "--faults", str(directory), "a directory of fault files (docs/adding-a-fault.md)"
        )
    faults = [_loaded(path) for path in files]
    names = [fault.name for fault in faults]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidParameterError("name of a fault", twice[0], "one that no other file has")
    return faults


def _loaded(path: Path) -> Fault:
    spec = importlib.util.spec_from_file_location(f"tidegate_fault_{path.stem}", path)
    if spec is None or spec.loader is None:  # pragma: no cover  # only for other endings
        raise InvalidParameterError("fault file", str(path), "a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as exc:
        raise InvalidParameterError(
            "fault file", f"{path}: {exc!r}", "one that can be run"
        ) from exc
    fault = getattr(module, "FAULT", None)
    if not isinstance(fault, Fault):
        raise InvalidParameterError("FAULT", fault, f"a Fault, in {path}")
    return fault
