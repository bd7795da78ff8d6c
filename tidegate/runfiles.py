"""Where a running `up` keeps its files, so that `tidegate fault` finds it."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from streams.errors import MissingRequirementError


def state_dir() -> Path:
    """``TIDEGATE_STATE``, by default under the user's state folder; only its owner may enter."""
    default = Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local" / "state")) / "tidegate"
    path = Path(os.environ.get("TIDEGATE_STATE", default))
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """What another command needs to know of a running `up`."""

    pid: int
    api: str
    gateway: str
    settings: str

    def write(self) -> None:
        (state_dir() / "run.json").write_text(json.dumps(asdict(self)))

    @staticmethod
    def remove() -> None:
        (state_dir() / "run.json").unlink(missing_ok=True)

    @staticmethod
    def running() -> "RunFile | None":
        """The `up` that runs now, None if there is none or it died."""
        try:
            run = RunFile(**json.loads((state_dir() / "run.json").read_text()))
            os.kill(run.pid, 0)
        except (OSError, ValueError, TypeError):
            return None
        return run

    @staticmethod
    def require() -> "RunFile":
        if (run := RunFile.running()) is None:
            raise MissingRequirementError("a running `tidegate up`", "start it in another terminal")
        return run
