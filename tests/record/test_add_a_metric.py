"""The walk of docs/developing.md: a metric is a line of the registry, where it is measured, and the table's line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.program_copy import copy_program

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json
from dataclasses import replace
from bench.instruments.memory import MemoryWatch
from bench.record.schema import from_json, to_json
from bench.report import markdown
from bench.report.analysed import analyse
from bench.report.build import build
from bench.report.documents import cases_document
from bench.report.page import figure_paths
from tests import factories as make

with MemoryWatch("cpu") as watch:
    bytearray(1 << 20)
found = [item for item in watch.metrics() if item.name == "memory_virtual_peak"]
made = make.run(schemes=("fp16", "nf4"), repeats=3)
measured = [replace(each, metrics=(*each.metrics, *found)) for each in made if each.instrument == "generation"]
records = [from_json(to_json(each)) for each in measured]
report = build(analyse(records))
print(json.dumps({
    "values": [item.values for item in found],
    "shown": [case["metrics"].get("memory_virtual_peak") for case in cases_document(records)["cases"]],
    "page": markdown.render(report, figure_paths(report)),
}))
"""
CHANGES = {
    "bench/record/metrics.py": (
        '    "memory_resident_peak": ',
        '    "memory_virtual_peak": _byte("peak size of the address space of the measuring process"),\n',
    ),
    "bench/instruments/memory.py": (
        '        self._metrics.append(metric("memory_resident_peak", peak))\n',
        '        found = re.search(r"^VmPeak:\\s+(\\d+) kB$", (self._proc / "status").read_text(), re.MULTILINE)\n'
        '        self._metrics += [metric("memory_virtual_peak", int(found[1]) * 1024)] if found else []\n',
    ),
    "bench/report/sections/memory.py": (
        '    ("Peak resident (process)", "memory_resident_peak"),\n',
        '    ("Peak address space", "memory_virtual_peak"),\n',
    ),
}


def test_in_three_files(tmp_path):
    copy_program(tmp_path, "bench")
    (tmp_path / "tests").mkdir()
    for file in (ROOT / "tests").glob("*.py"):
        shutil.copy(file, tmp_path / "tests" / file.name)
    for name, (place, line) in CHANGES.items():
        path = tmp_path / name
        text = path.read_text()
        assert text.count(place) == 1
        path.write_text(text.replace(place, line + place))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    ((value,),) = found["values"]
    assert value > 1 << 20
    shown = [each for each in found["shown"] if each]
    assert len(shown) >= 2 and all(each["unit"] == "B" and set(each["values"]) == {value} for each in shown)
    assert "Peak address space" in found["page"]
