"""torch.profiler, py-spy and nsys themselves, on the smoke model."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.record.schema import Record
from bench.record.store import load
from profiling.availability import find_tool, no_py_spy, probe
from profiling.cli import main

ROOT = Path(__file__).resolve().parents[2]


def capture(folder: Path, *arguments: str) -> tuple[int, tuple[Record, ...]]:
    code = main([*arguments, "--preset", "smoke", "--device", "cpu", "--out", str(folder)])
    return code, load(folder).records


@pytest.mark.slow
def test_kineto_on_a_cpu(tmp_path: Path) -> None:
    code, (record,) = capture(tmp_path, "kineto", "--scheme", "nf4", "--steps", "2", "--skip", "2")
    assert (code, record.status) == (0, "ok"), record.reason
    ranges = record.setup["counted_ranges"]
    layers = record.setup["model"]["layers"]
    assert ranges["decode_step"] == 2
    assert ranges["layer"] == ranges["q_proj"] == ranges["c_proj"] == 2 * layers
    assert ranges["lm_head"] == 2
    steps = record.values("operators_per_step")
    assert len(steps) == 2 and min(steps) > 6 * layers, "each Linear is several operators"
    assert all(
        0 < busy <= step
        for busy, step in zip(
            record.values("operators_busy_per_step"), record.values("observed_step_time"), strict=True
        )
    )
    assert record.values("launches_per_step") == ()
    assert record.not_collected["gpu_busy_per_step"] == "the trace holds no GPU work"
    assert any(item["name"].startswith("bitsandbytes::") for item in record.setup["top"])
    assert (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_py_spy_on_the_decode_loop(tmp_path: Path) -> None:
    refused = no_py_spy(probe())
    if refused:
        pytest.skip(str(refused))
    # Unwinding native frames is slow, and a short window may by chance hold none of a kernel's: then a longer one.
    for seconds in ("2", "4", "8"):
        arguments = ("host", "--scheme", "nf4", "--seconds", seconds, "--rate", "60", "--no-report")
        code, records = capture(tmp_path / seconds, *arguments)
        if any("may not trace" in record.reason for record in records):
            pytest.skip(records[0].reason)
        assert code == 0, [record.reason for record in records]
        python, everything = records
        if sum(everything.values("host_samples_kernels")) > 0:
            break
    assert (python.instrument, everything.instrument) == ("py-spy-python", "py-spy-everything")
    assert sum(python.values("host_samples_python")) + sum(python.values("host_samples_bitsandbytes")) > 0
    assert sum(python.values("host_samples_kernels")) == 0, "the interpreter's lock alone shows no native frames"
    assert sum(everything.values("host_samples_kernels")) > 0
    assert sum(everything.values("host_samples_under_bitsandbytes")) > 0
    drawing = next(item for item in everything.artifacts if item.path.endswith(".svg"))
    assert "_sample" in (tmp_path / seconds / drawing.path).read_text()


def test_nsys_records_the_ranges_of_the_smoke_model(tmp_path: Path) -> None:
    if find_tool("nsys") is None:
        pytest.skip("nsys is not installed: run scripts/nsys-cpu-check.sh, which installs it on Debian")
    done = subprocess.run(
        (ROOT / "scripts" / "nsys-cpu-check.sh", "--no-install"), cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    if done.returncode == 77:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nsys-cpu-check: ok, 220 ranges of 10 names, 6 layers, 4 decode steps" in done.stdout


@pytest.mark.skipif(probe().gpu, reason="this machine has a GPU: counters may well be had")
def test_counters_without_a_gpu_are_not_collected_and_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, records = capture(tmp_path, "ncu", "--scheme", "nf4")
    assert code == 2
    assert [record.status for record in records] == ["skipped", "skipped"]
    assert "not collected: no NVIDIA GPU; run on a machine with one" in capsys.readouterr().out


@pytest.mark.gpu
@pytest.mark.parametrize("verb", ["kineto", "nsys", "ncu"])
def test_a_gpu_is_observed(verb: str, tmp_path: Path) -> None:
    arguments = (verb, "--scheme", "nf4", "--preset", "smoke", "--device", "cuda", "--out", str(tmp_path))
    code = main(arguments)
    records = load(tmp_path).records
    if all(record.status == "skipped" for record in records):
        pytest.skip(records[0].reason)
    assert code == 0, [record.reason for record in records]
    for record in records:
        if verb == "ncu":
            assert record.values("profiled_launches")[0] > 0
            assert record.values("l2_hits")[0] + record.values("l2_misses")[0] > 0
        else:
            assert min(record.values("launches_per_step")) > 36, "each of the 36 quantised Linears launches"
            assert min(record.values("gpu_busy_per_step")) > 0
