"""No committed text names a folder of somebody's machine, or the host of a registry: those come from outside."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATHS = tuple(f"/{name}/".encode() for name in ("work", "root", "mnt", "Users"))
# A name with something before it is a folder below another one.
BELOW = re.compile(rb"[\w./$}~-]$")
HOSTS = tuple(
    name.encode()
    for name in (
        *("docker.io", "ghcr.io", "nvcr.io", "quay.io", "gcr.io", "registry.npmjs", "pypi.org", "pythonhosted.org"),
        *("deb.debian.org", "security.debian.org", "archive.ubuntu.com", "developer.download.nvidia.com"),
    )
)
OURSELVES = Path(__file__).relative_to(ROOT)


def tracked():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True)
    return [
        Path(name)
        for name in done.stdout.decode().split("\0")
        if name and Path(name) != OURSELVES and (ROOT / name).is_file()
    ]


def content(path):
    data = (ROOT / path).read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def places(data, word):
    place = data.find(word)
    while place >= 0:
        yield place
        place = data.find(word, place + 1)


def test_no_folder_of_a_machine():
    found = [
        (str(path), word)
        for path in tracked()
        for data in [content(path)]
        for word in PATHS
        for place in places(data, word)
        if not BELOW.search(data[max(0, place - 1) : place])
    ]
    assert found == []


def test_no_host_of_a_registry():
    found = [(str(path), word) for path in tracked() for data in [content(path)] for word in HOSTS if word in data]
    assert found == []
