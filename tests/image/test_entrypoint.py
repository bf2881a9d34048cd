"""The entry point hands capabilities on to an ordinary user, as the kernel shows it; needs root to become one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ENTRYPOINT = Path(__file__).parents[2] / "deploy" / "entrypoint.sh"
SYS_ADMIN = 1 << 21
SHOW = ("sh", "-c", 'sed -n "s/^CapEff://p" /proc/self/status; id -u; echo "$TMPDIR:$LD_LIBRARY_PATH"')


@pytest.fixture(scope="module")
def keep(tmp_path_factory):
    if os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("setcap"):
        pytest.skip("needs root, setpriv and setcap")
    folder = tmp_path_factory.mktemp("image")
    copy = folder / "keep"
    shutil.copy(shutil.which("setpriv"), copy)
    shutil.copy(ENTRYPOINT, folder / "entrypoint.sh")
    done = subprocess.run(["setcap", "cap_sys_admin,cap_sys_ptrace,cap_perfmon+p", str(copy)], check=False)
    if done.returncode != 0:
        pytest.skip("this file system keeps no capabilities of files")
    for path in (folder, *folder.parents):
        if path.stat().st_uid == 0 and path != Path("/") and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    return copy


def enter(keep, *options, uid=54321):
    command = [
        "setpriv",
        f"--reuid={uid}",
        f"--regid={uid}",
        "--clear-groups",
        *options,
        str(keep.parent / "entrypoint.sh"),
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "KEEP_CAPABILITIES": str(keep),
        "TMPDIR": "/tmp",
        "LD_LIBRARY_PATH": "/a",
    }
    done = subprocess.run([*command, *SHOW], capture_output=True, text=True, check=True, env=environment)
    effective, user, kept = done.stdout.split()
    return int(effective, 16), int(user), kept


def test_what_the_container_was_given_reaches_its_user(keep):
    assert enter(keep, "--bounding-set=-all,+sys_admin,+chown") == (SYS_ADMIN, 54321, "/tmp:/a")


def test_a_container_without_them_has_none(keep):
    assert enter(keep, "--bounding-set=-all,+chown") == (0, 54321, "/tmp:/a")


def test_where_no_new_rights_may_be_had_the_command_runs_all_the_same(keep):
    assert enter(keep, "--bounding-set=-all,+sys_admin", "--no-new-privs") == (0, 54321, "/tmp:/a")


def test_programs_of_a_model_run_without_them():
    from bench.quality.walls import ordinary

    status = Path(f"/proc/{os.getpid()}/status")
    assert ordinary(status) == []
    if os.geteuid() == 0:
        pytest.skip("root has its rights from being root")


def test_programs_of_a_model_lose_what_an_ordinary_user_was_given(tmp_path, monkeypatch):
    from bench.quality import walls

    monkeypatch.setattr(walls, "is_root", lambda: False)
    status = tmp_path / "status"
    status.write_text(f"CapAmb:\t{SYS_ADMIN:016x}\n")
    assert walls.ordinary(status)[0] == "setpriv"
    status.write_text(f"CapAmb:\t{0:016x}\n")
    assert walls.ordinary(status) == []
