"""README's lines pasted one after the other, as a new user would; and the wheel alone in an empty environment."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import readme_lines

ROOT = Path(__file__).parent.parent
PACKAGES = ("bench", "bitledger", "profiling")
H100 = ROOT / "reports/runs/h100-starcoder2-3b-20261126"

# What test_the_wheel_alone_… and scripts/check-readme.sh do: this machine and the sources here stay as they are.
INSTALLING = ("apt-get", "python3", "pip")


def test_readme_has_the_lines_that_are_pasted():
    lines = readme_lines.lines()
    assert len(lines) >= 14 and lines[0].startswith("apt-get update")
    assert {line.split()[0] for line in lines} == {*INSTALLING, "make", "bitledger"}
    assert not [said for said, _ in readme_lines.STANDS_FOR if not any(said in line for line in lines)]


def test_the_script_of_them_is_one_that_bash_reads():
    done = subprocess.run(["bash", "-n"], input=readme_lines.script(), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(shlex.quote(line) in readme_lines.script() for line in readme_lines.lines())


@pytest.mark.slow
def test_each_line_ends_well_one_after_the_other(tmp_path):
    shell = {"bitledger": [sys.executable, "-m", "bitledger"], "make": ["make", "-n", "-C", str(ROOT)]}
    environment = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    for line in readme_lines.lines():
        first, *words = shlex.split(readme_lines.pasted(line, str(ROOT / readme_lines.TRACES)))
        if first in INSTALLING:
            continue
        done = subprocess.run(
            [*shell[first], *words], cwd=tmp_path, env={**_inherited(), **environment}, capture_output=True, text=True,
            timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert done.stdout.strip(), line


def _inherited() -> dict[str, str]:
    import os

    return dict(os.environ)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing in it but the wheel and what the base asks for."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    _installing([*pip, "wheel", "--no-deps", "-w", str(folder), str(source)])
    (wheel,) = folder.glob("bitledger-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv/bin/python"
    constraints = ["-c", str(ROOT / "constraints.txt")]
    _installing([*pip, "--python", str(python), "install", *constraints, str(wheel)])
    shutil.copytree(H100, folder / "run")
    return folder


def _installing(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode and re.search(
        r"NewConnectionError|No matching distribution|timed out|name resolution", done.stderr
    ):
        pytest.skip("no package index can be reached here")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_the_wheel_alone_explains_the_committed_run(empty):
    command = [str(empty / "venv/bin/bitledger")]
    for words in (
        ["explain", "run"],
        ["compare", "run::fp16", "run::nf4"],
        ["report", "run"],
        ["list"],
        ["study", "--json"],
    ):
        done = subprocess.run([*command, *words], cwd=empty, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{words}\n{done.stderr}"
        assert done.stdout.strip()
    program = (
        "import bitledger, importlib.util as u\n"
        "assert bitledger.explain('run', scheme='int8').verdict == 'SLOWER'\n"
        "names = 'torch', 'transformers', 'tests', 'benchmarks', 'fuzz', 'bundling'\n"
        "print(*[name for name in names if u.find_spec(name)])"
    )
    python = [str(empty / "venv/bin/python"), "-c", program]
    assert subprocess.run(python, cwd=empty, capture_output=True, text=True, check=True).stdout.strip() == ""


@pytest.mark.slow
def test_the_wheel_alone_says_what_measuring_needs(empty):
    command = [str(empty / "venv/bin/bitledger"), "run", "--preset", "smoke"]
    done = subprocess.run(command, cwd=empty, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2 and "pip install 'bitledger[measure" in done.stderr
