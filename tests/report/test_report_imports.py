"""A report is made where no model library can be imported."""

import os
import subprocess
import sys
from pathlib import Path

from tests.no_model_libraries import run_script

SCRIPT = """
import pathlib
from rich.console import Console
import bench.analysis.comparison, bench.record.store
from bench.report.terminal import comparison_table, print_table
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
print_table(comparison_table(bench.analysis.comparison.compare(loaded, loaded).rows), Console())
write_report(pathlib.Path(sys.argv[1]), loaded, [])
"""


def test_a_full_report_without_any_model_library(tmp_path: Path) -> None:
    done = run_script(SCRIPT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "nf4 is slower than fp16" in done.stdout
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_a_figure_is_drawn_in_silence_where_the_home_folder_cannot_be_written(tmp_path: Path) -> None:
    program = "from bench.report import figures; print(figures.panels(1, 1, 1.0, lambda figure, axes: None))"
    homeless = {name: value for name, value in os.environ.items() if name not in ("MPLCONFIGDIR", "XDG_CONFIG_HOME")}
    environment = {**homeless, "HOME": "/proc", "XDG_CACHE_HOME": "/proc", "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Figure(480x100)\n", "")
