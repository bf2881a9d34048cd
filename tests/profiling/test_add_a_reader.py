"""The walk of docs/developing.md: a reader is a file in profiling/readers and a line in sniff.py."""

import json
import subprocess
import sys

from tests.program_copy import copy_program

READER = '''"""Spans as lines of text: what (kernel or step), its name, first and last nanosecond."""

import numpy as np

from bench.record.errors import RecordError
from bench.record.timeline import Kernels, Spans, Threads, Timeline


def read_spans(path):
    """A Timeline. Raises RecordError for a line that is none."""
    try:
        rows = [line.split("|") for line in path.read_text().splitlines()[1:]]
        kernels, steps = ([(n, int(a), int(b)) for k, n, a, b in rows if k == kind] for kind in ("kernel", "step"))
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from error
    names = ["", *sorted({name for name, _, _ in kernels + steps})]
    column = lambda rows: {  # noqa: E731
        "name": [names.index(name) for name, _, _ in rows],
        "start": [start for _, start, _ in rows],
        "end": [end for _, _, end in rows],
    }
    none = np.full(len(kernels), -1)
    zero = np.zeros(len(kernels))
    zeros = np.zeros(len(steps))
    return Timeline(
        source="spans",
        strings=tuple(names),
        threads=Threads.build(process=[0], pid=[1], tid=[1]),
        kernels=Kernels.build(
            **column(kernels), device=zero, stream=zero, process=zero, correlation=none, graph_node=none
        ),
        ranges=Spans.build(**column(steps), thread=zeros, domain=zeros, lane=zeros),
    )
'''
LINE = '    FileFormat("spans", _begins(b"# spans of "), "spans", "read_spans"),\n'


def test_a_file_and_its_line_are_summed_up_and_read_by_every_verb(tmp_path):
    copy_program(tmp_path, "bench", "profiling")
    room = tmp_path / "profiling/readers"
    (room / "spans.py").write_text(READER)
    text = (room / "sniff.py").read_text()
    place = "FORMATS = (\n"
    assert text.count(place) == 1
    (room / "sniff.py").write_text(text.replace(place, place + LINE))
    trace = tmp_path / "trace.txt"
    trace.write_text("# spans of a tool\nkernel|gemm|100|400\nkernel|gemm|600|700\nstep|decode_step|50|800\n")
    done = subprocess.run(
        [sys.executable, "-m", "profiling", "summarize", str(trace), "--json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert [(item["name"], item["count"], item["total_ns"]) for item in summary["kernels"]] == [("gemm", 2, 400)]
    assert [item["name"] for item in summary["ranges"]] == ["decode_step"]
    script = "import sys\nfrom pathlib import Path\nfrom profiling.summarize import read_timeline\n"
    script += "print(len(read_timeline(Path(sys.argv[1])).kernels))"
    read = subprocess.run(
        [sys.executable, "-c", script, str(trace)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert read.stdout.strip() == "2"
