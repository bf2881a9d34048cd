"""py-spy itself, on a small program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from profiling.availability import find_tool, no_py_spy, probe, py_spy_refusal
from profiling.commands import py_spy
from profiling.host import host_shares, read_samples

PROGRAM = """
import time
def decode_loop():
    end = time.perf_counter() + 0.4
    while time.perf_counter() < end:
        sum(range(1000))
    time.sleep(0.4)
decode_loop()
"""


@pytest.mark.parametrize("style", ["raw", "speedscope"])
def test_working_and_waiting_are_told_apart(style: str, tmp_path: Path) -> None:
    refused = no_py_spy(probe())
    if refused:
        pytest.skip(str(refused))
    script, out = tmp_path / "program.py", tmp_path / "samples"
    script.write_text(PROGRAM)
    command = py_spy((sys.executable, str(script)), str(out), "everything", style, rate=100)  # type: ignore[arg-type]
    argv = (find_tool("py-spy") or "py-spy", *command.argv[1:])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=os.environ | dict(command.environment))
    refused = py_spy_refusal(done.stderr)
    if refused:
        pytest.skip(str(refused))
    assert done.returncode == 0, done.stderr
    shares = host_shares(read_samples(out)).shares
    assert shares["waiting"] > 0
    assert shares["python"] > 0
    assert shares["waiting"] + shares["python"] == pytest.approx(1.0)
