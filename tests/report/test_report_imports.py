"""A report is made where no model library can be imported."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
BLOCKED = {"torch", "transformers", "bitsandbytes", "pynvml", "accelerate", "codecarbon"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
import pathlib
from rich.console import Console
import bench.analysis.comparison, bench.record.store
from bench.report.terminal import print_comparison
assert "matplotlib" not in sys.modules, "matplotlib is for drawing only"
from tests import factories as make
from tests.written_report import print_report, write_report

records = make.run(schemes=("fp16", "nf4"), repeats=3)
with bench.record.store.open_run(pathlib.Path(sys.argv[1])) as writer:
    for item in records:
        writer.append(item)
loaded = bench.record.store.load(pathlib.Path(sys.argv[1])).records
assert loaded == tuple(records) or [r.key for r in loaded] == [r.key for r in records]
print_report(loaded, [], Console())
print_comparison(bench.analysis.comparison.compare(loaded, loaded).rows, Console())
write_report(pathlib.Path(sys.argv[1]), loaded, [])
assert not BLOCKED & set(sys.modules)
"""


def test_a_full_report_without_any_model_library(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "nf4 is slower than fp16" in done.stdout
    assert (tmp_path / "report.html").stat().st_size > 50_000
