"""What is imported has its bytecode after installing, also where imports write none."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

CODE = """
import sys
sys.path.insert(0, {root!r})
from scripts import compile_imports
import compileall
files = compile_imports.imported(("json", "no_such_module", {package!r}))
print(sum(bool(compileall.compile_file(file, quiet=2)) for file in files), *files)
"""


def test_imported_modules_are_compiled_though_imports_write_nothing(tmp_path):
    package = tmp_path / "package_to_compile"
    package.mkdir()
    for name in ("__init__", "asked"):
        (package / f"{name}.py").write_text("x = 1\n")
    (package / "left.py").write_text("x = 2\n")
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tmp_path)}
    environment.pop("PYTHONPYCACHEPREFIX", None)
    code = CODE.format(root=str(ROOT), package="package_to_compile.asked")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert str(package / "asked.py") in done.stdout
    for name, compiled in (("__init__", True), ("asked", True), ("left", False)):
        assert Path(importlib.util.cache_from_source(package / f"{name}.py")).exists() is compiled
