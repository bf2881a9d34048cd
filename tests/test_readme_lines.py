"""README's lines pasted one after the other, as a new user would; and the wheel alone in an empty environment."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PACKAGES = ("bench", "bitledger", "profiling")
H100 = ROOT / "reports/runs/h100-starcoder2-3b-20261126"
LINES = [
    line.partition("  #")[0].strip()
    for name in ("Install", "Three doors")
    for block in re.findall(r"```sh\n(.*?)```", README.partition(f"## {name}\n")[2].partition("\n## ")[0], re.DOTALL)
    for line in block.splitlines()
]
# What stands for the names that README leaves open, and what a test leaves out of a line: hours, gigabytes, a GPU.
SMALL = (
    "--schemes fp16,nf4 --calls 1 --new-tokens 6 --repeats 1 --energy-seconds 0.1 --tasks 0 --matmul-m '' --no-tries"
)
STANDS_FOR = (
    ("bitledger run --preset smoke", f"bitledger run --preset smoke --device cpu {SMALL} --out reports/runs/RUN"),
    (
        "intervene --out reports/runs/RUN",
        "intervene --out reports/runs/RUN --schemes nf4 --only bare-op --calls 1 --repeats 1",
    ),
    ("compare RUN_A RUN_B", "compare reports/runs/RUN reports/runs/RUN"),
    ("--reference A --candidate B", "--reference TRACES/bf16.json.gz --candidate TRACES/awq.json.gz"),
    (" FILE", " TRACES/awq.json.gz"),
    ("TRACES", str(ROOT / "docs/traces")),
    ("make bench PRESET=quick", f"make -n -C {ROOT} bench PRESET=quick"),
    ("pip install '.", f"pip install --dry-run --no-deps '{ROOT}"),
)  # fmt: skip


def pasted(line: str) -> str:
    for said, meant in STANDS_FOR:
        line = line.replace(said, meant)
    return line


def test_readme_has_the_lines_that_are_pasted():
    assert len(LINES) >= 10
    assert all(line.split()[0] in ("pip", "make", "bitledger") for line in LINES)
    assert not [said for said, _ in STANDS_FOR if said != "TRACES" and not any(said in line for line in LINES)]


@pytest.mark.slow
def test_each_line_ends_well_one_after_the_other(tmp_path):
    if (ROOT / "build").exists():
        pytest.skip("a build folder is here, which pip would take up")
    shell = {"bitledger": [sys.executable, "-m", "bitledger"], "pip": [sys.executable, "-m", "pip"], "make": ["make"]}
    environment = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    for line in LINES:
        first, *words = shlex.split(pasted(line))
        if first == "pip":
            continue  # test_the_wheel_alone_…: the sources here stay as they are
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
