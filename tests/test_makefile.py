"""The Makefile: what it lists, and what it refuses before anything is installed."""

import os
import shutil
import subprocess
from pathlib import Path

from bench.presets import PRESETS

ROOT = Path(__file__).parent.parent


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    of_make = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")  # of the "make test" that these may run in
    env = {name: value for name, value in os.environ.items() if name not in of_make}
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, env=env)


def test_what_a_user_wants_is_listed_before_what_a_developer_wants():
    users, developers = make(ROOT, "help").stdout.split("to develop:")
    assert [line.split()[0] for line in users.splitlines() if line][:2] == ["help", "bench"]
    assert "\ntest " in developers and "\nlint " in developers
    assert "\ntest " not in users and "#" not in users + developers


def test_a_preset_that_is_not_there_is_told_before_anything_is_installed(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = make(tmp_path, "bench", "PRESET=smok")
    assert done.returncode == 2
    assert "unknown preset 'smok': choose from smoke " in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["Makefile"]


def test_the_makefile_knows_every_preset_and_no_other():
    told = make(ROOT, "bench", "PRESET=no").stderr.partition("choose from ")[2].partition(". ")[0]
    assert sorted(told.split()) == sorted(PRESETS)
