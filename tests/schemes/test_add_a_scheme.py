"""docs/developing.md: a family of schemes is added in one file, and goes from plan to page and to the user's code."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.record.store import load
from tests.program_copy import copy_program

FAMILY = Path(__file__).with_name("rows8_family.py")
# What the user is told, run as printed: the model computes what the measured one did.
CODE = """
import sys
from bench.analysis.user_code import code, preamble
from bench.schemes import arm
from bench.workloads.sources import resolve
exec(preamble("cpu").replace("YOUR_MODEL", resolve("smoke").location))
exec(code(arm("rows8").facts()))
print(sum(type(module).__name__ == "Rows8Linear" for module in model.modules()))
"""

PRODUCTS = """
import sys
from pathlib import Path
from bench.analysis.matmul import summarise
from bench.record.store import load
rows = [row for row in summarise(load(Path(sys.argv[1])).records) if row.scheme == "rows8"]
for op in ("linear", "dequantise"):
    low = [row.traffic.low if row.traffic else 0.0 for row in rows if row.op == op]
    print(bool(low) and all(low))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the program with the family's file beside the others; nothing else is changed."""
    folder = tmp_path_factory.mktemp("tree")
    copy_program(folder, "bench", "profiling")
    shutil.copy(FAMILY, folder / "bench" / "schemes" / "rows8.py")
    return folder


def program(tree, *arguments):
    environment = {"PYTHONPATH": str(tree), "PATH": "/usr/bin:/bin", "HOME": str(tree)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_in_one_file(tree):
    run = tree / "run"
    program(
        tree, "-m", "bench", "run", "--preset", "smoke", "--schemes", "fp16,rows8", "--out", str(run), "--tasks", "0",
        "--calls", "3", "--repeats", "3", "--matmul-m", "1", "--matmul-seconds", "0.02", "--energy-seconds", "0.2",
    )  # fmt: skip
    mine = [record for record in load(run).records if record.case.scheme == "rows8"]
    assert {record.status for record in mine if record.instrument in ("generation", "kineto", "matmul")} == {"ok"}
    (share,) = {record.setup["model"]["quantised"]["share"] for record in mine if record.instrument == "generation"}
    assert share == 1.0
    assert {record.case.op for record in mine if record.instrument == "matmul"} == {"linear", "dequantise"}
    (pair,) = (pair for pair in json.loads(program(tree, "-m", "bench", "explain", str(run), "--json"))["pairs"])
    assert pair["scheme"] == "rows8" and pair["instrument"] == "kineto" and pair["lines"]
    known = program(tree, "-c", PRODUCTS, str(run)).split()
    assert known == ["True", "True"], "a product's bytes are not modelled"
    page = (run / "report.html").read_text()
    assert "weight-only int8, a scale a row" in page and "--s-rows8:#123456" in page


@pytest.mark.slow
def test_its_code_makes_the_model(tree):
    assert program(tree, "-c", CODE).strip().endswith("36")
