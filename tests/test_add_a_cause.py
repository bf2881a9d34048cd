"""docs/developing.md: a cause is added in two files, and is then seen from the record to the page."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.program_copy import copy_program

ROOT = Path(__file__).parents[1]
RUN = "cpu-smoke-20261126"
SCRIPT = """
import json, sys
from pathlib import Path
from dataclasses import replace
from bench.analysis.ledger.cpu import cpu_rows
from bench.analysis.ledger.stored import packed_rows
from bench.record.schema import to_json
from bench.record.store import load
from bench.verbs.report import build_run
from bench.cli import main
from profiling.summarize import read_timeline

run = Path(sys.argv[1])
records = []
for record in load(run).records:
    trace = next((run / a.path for a in record.artifacts if a.path.endswith(".json.gz")), None)
    if record.instrument == "kineto":
        if trace is None or not trace.exists() or record.case.scheme not in ("fp16", "nf4"):
            continue
        rows = {"device": "cpu", "bitsandbytes": None, **packed_rows(cpu_rows(read_timeline(trace), "decode_step"))}
        record = replace(record, setup={**record.setup, "ledger": rows})
    if record.instrument in ("kineto", "generation"):
        records.append(json.dumps(to_json(record)))
(run / "records.jsonl.gz").unlink()
(run / "records.jsonl").write_text("\\n".join(records) + "\\n")
assert main(["explain", str(run), "--json"]) == 0
report = build_run(run, "fp16")
print(json.dumps({"page": "unpacking weights" in repr(report)}))
"""


def test_in_two_files(tmp_path):
    copy_program(tmp_path, "bench", "profiling")
    shutil.copytree(ROOT / "reports" / "runs" / RUN, tmp_path / RUN, ignore=shutil.ignore_patterns("figures"))

    def change(file, *pairs):
        path = tmp_path / "bench" / file
        text = path.read_text()
        for before, after in pairs:
            assert before in text
            text = text.replace(before, after, 1)
        path.write_text(text)

    change(
        "record/causes.py",
        ('DEQUANTISE = "dequantise"\n', 'DEQUANTISE = "dequantise"\nUNPACK = "unpack"\n'),
        ("BUSY = (GEMM,", "BUSY = (GEMM, UNPACK,"),
        ("MEANINGS = {\n", 'MEANINGS = {\n    UNPACK: "turning packed weights into others",\n'),
        ("LABELS = {\n", 'LABELS = {\n    UNPACK: "unpacking weights",\n'),
    )
    change(
        "analysis/ledger/class_table.py",
        (
            "RULES: tuple[Rule, ...] = (\n",
            'RULES: tuple[Rule, ...] = (\n    Rule(c.UNPACK, "operator", name="bitsandbytes::dequantize"),\n',
        ),
    )
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "script.py", RUN], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    explained, _, seen = done.stdout.rstrip().rpartition("\n")
    (pair,) = [pair for pair in json.loads(explained)["pairs"] if pair["scheme"] == "nf4" and pair["instrument"]]
    (line,) = [line for line in pair["lines"] if line["cause"] == "unpack"]
    assert line["scheme_ms"] > 0.0
    assert json.loads(seen)["page"]
