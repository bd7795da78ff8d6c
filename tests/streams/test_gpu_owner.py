"""Whose process it is, from a `/proc` that the test lays out."""

from pathlib import Path

import pytest

from streams.sources.gpu_owner import Owners

UID = "3f0a8c7e-1c2d-4e5f-8a9b-0c1d2e3f4a5b"
SYSTEMD = UID.replace("-", "_")


def owner_of(root: Path, cgroup: str) -> str:
    process = root / "proc" / "77"
    process.mkdir(parents=True)
    (process / "cgroup").write_text(cgroup)
    return Owners(root).of([77])


@pytest.mark.parametrize(
    "cgroup",
    [
        f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SYSTEMD}.slice/cri-c",
        f"4:memory:/kubepods/burstable/pod{UID}/0123abcd\n3:cpu:/kubepods/burstable/pod{UID}/0",
    ],
    ids=["systemd", "cgroupfs"],
)
def test_a_pod_by_its_uid_and_by_name_where_its_logs_are(tmp_path: Path, cgroup: str) -> None:
    assert owner_of(tmp_path, cgroup) == f"pod:{UID}"

    (tmp_path / f"var/log/pods/ml_chat-0_{UID}").mkdir(parents=True)
    assert Owners(tmp_path).of([77, 77, 78]) == "ml/chat-0"


def test_a_process_of_no_pod_is_its_users(tmp_path: Path) -> None:
    assert owner_of(tmp_path, "0::/user.slice") == tmp_path.owner()
