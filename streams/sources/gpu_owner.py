"""Processes in, who holds the GPU out: pod, or user."""

import pwd
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MAX_LISTED: Final = 3
_POD: Final = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})")
"""The pod's UID in a cgroup's path; systemd's slices write `_` for `-`."""


def pod_uid(cgroup: str) -> str:
    """UID of the pod in the text of `/proc/PID/cgroup`; empty outside Kubernetes.

    >>> pod_uid("0::/kubepods.slice/kubepods-pod3f0a8c7e_1c2d_4e5f_8a9b_0c1d2e3f4a5b.slice/cri-1")
    '3f0a8c7e-1c2d-4e5f-8a9b-0c1d2e3f4a5b'
    """
    found = _POD.search(cgroup)
    return found[1].replace("_", "-") if found else ""


def listed(owners: Iterable[str]) -> str:
    """Owners as one text, however many share the GPU.

    >>> listed(["ml/b", "ml/a", "ml/b"]), listed("abcde")
    ('ml/a,ml/b', 'a,b,c,+2')
    """
    distinct = sorted(set(owners) - {""})
    rest = [f"+{len(distinct) - MAX_LISTED}"] if len(distinct) > MAX_LISTED else []
    return ",".join(distinct[:MAX_LISTED] + rest)


class Owners:
    """Looks processes up in ``/proc``; a pod's name where its log directory is on this node.

    root: of the file system that is read.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._proc = root / "proc"
        self._logs = root / "var/log/pods"

    def of(self, pids: Iterable[int]) -> str:
        return listed(map(self._of, pids))

    def _of(self, pid: int) -> str:
        process = self._proc / str(pid)
        try:
            uid = pod_uid((process / "cgroup").read_text(encoding="utf-8", errors="replace"))
            return self._pod(uid) if uid else pwd.getpwuid(process.stat().st_uid).pw_name
        except (OSError, KeyError):
            # It ended meanwhile, another's are hidden, or its user has no name here.
            return ""

    def _pod(self, uid: str) -> str:
        """The kubelet keeps logs of a pod in `NAMESPACE_NAME_UID`."""
        names = [path.name for path in self._logs.glob(f"*_*_{uid}")]
        return "/".join(names[0].split("_")[:2]) if names else f"pod:{uid}"
