"""Each observer with programs that play the tools: what is filed, and what is said where nothing comes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fake_tools
import pytest
from ncu_files import wide_csv

from bench.presets import PRESETS
from bench.record.schema import Case, Record
from bench.record.store import load, open_run
from bench.workloads.sources import Source
from profiling.availability import ProfilingTools
from profiling.capture import process, timelines
from profiling.capture.counters import innermost
from profiling.capture.filing import CaptureRequest, Filer
from profiling.capture.observers import OBSERVERS
from profiling.capture.settings import Settings
from tests import factories as make
from tests.long_tables import some_of

SOURCE = Source("smoke", "smoke", "nowhere", "0123abcd", "memorised")
TOOLS = {name: f"/fake/{name}" for name in ("ncu", "nsys", "py-spy")}
MACHINE = ProfilingTools(TOOLS, gpu=True, driver_parameters=None, capabilities=0, ptrace_scope=0)
STACKS = (
    "<module> (target.py:1);_keep_decoding (target.py:2);GenerationMixin._sample (utils.py:3);{} 3\n"
    "<module> (target.py:1);_keep_decoding (target.py:2);GenerationMixin._sample (utils.py:3);"
    "GenerationMixin._prefill (utils.py:4) 5\n"
    "<module> (target.py:1);run (target.py:9);GenerationMixin._sample (utils.py:3) 7\n"
    "<module> (target.py:1) 2\n"
)
COUNTERS = (
    ("gpu__time_duration.sum", "ns"),
    ("l1tex__t_sectors_lookup_hit.sum", "sector"),
    ("l1tex__t_sectors_lookup_miss.sum", "sector"),
    ("lts__t_sectors_srcunit_tex_lookup_hit.sum", "sector"),
    ("lts__t_sectors_srcunit_tex_lookup_miss.sum", "sector"),
    ("dram__bytes_read.sum", "byte"),
    ("dram__bytes_write.sum", "byte"),
)
Observe = Callable[..., Record]


@pytest.fixture
def observe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Observe:
    """Run one observer on one Case with fake tools that do ``how``; returns the filed Record."""
    fake_tools.install(tmp_path / "bin", "ncu", "nsys", "py-spy")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    def run(instrument: str, how: str, result: Path | None = None, **options: object) -> Record:
        case: Case = make.case("nf4", device=str(options.pop("device", "cuda")))
        machine = replace(MACHINE, **options.pop("machine", {}))  # type: ignore[arg-type]
        monkeypatch.setenv("BITLEDGER_FAKE", how)
        monkeypatch.setenv("BITLEDGER_FAKE_CASE", case.case_id)
        monkeypatch.setenv("BITLEDGER_FAKE_RESULT", str(result))
        request = CaptureRequest("run-1", tmp_path / "run", PRESETS["smoke"], SOURCE, (case,))
        observer = next(item for item in OBSERVERS if item.instrument == instrument)
        with open_run(request.folder) as writer:
            settings = Settings(**options)  # type: ignore[arg-type]
            filer = Filer(request, writer, settings, machine, make.GPU, ("python", "-m", "profiling"))
            (record,) = filer.run((observer,), lambda _: None, lambda _: None)
        assert load(request.folder).records[-1] == record
        return record

    return run


def kept(record: Record) -> set[str]:
    return {Path(artifact.path).name for artifact in record.artifacts}


def test_a_timeline_of_nsys(observe: Observe, tmp_path: Path) -> None:
    record = observe("nsys", "ok", fake_tools.timeline(tmp_path / "t.sqlite", 4))
    assert record.status == "ok", record.reason
    assert record.values("launches_per_step") == (2, 2, 2, 2)
    assert record.values("syncs_per_step") == (1, 1, 1, 1)
    assert record.values("copies_per_step") == (0, 0, 0, 0)
    for name, ms in (("gpu_busy", 4), ("gpu_idle", 6), ("sync_stall", 0.5), ("host_busy", 1.5), ("gpu_tail", 4)):
        assert record.values(f"{name}_per_step") == pytest.approx([ms * 1e-3] * 4), name
    assert record.not_collected.keys() == {"operators_per_step", "operators_busy_per_step"}
    assert kept(record) == {"timeline.nsys-rep", "timeline.sqlite", "summary.json", "log.txt"}
    assert record.setup["tool_version"] == "2025.1.2"
    assert record.setup["counted_ranges"] == {"decode_step": 4}
    assert record.setup["top"][0]["name"] == "gemm"
    assert record.case_id == make.case("nf4", device="cuda").case_id
    command = record.setup["command"]
    assert command[:2] == ["nsys", "profile"] and "python" in command
    assert not any(text.startswith("/") for text in command), "a record names no folder of the machine"


def test_a_second_capture_is_the_next_repeat(observe: Observe, tmp_path: Path) -> None:
    result = fake_tools.timeline(tmp_path / "t.sqlite", 4)
    assert [observe("nsys", "ok", result).repeat for _ in range(2)] == [0, 1]


def test_ranges_that_an_old_nsys_does_not_see(
    observe: Observe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITLEDGER_FAKE_VERSION", "2022.4.2")
    record = observe("nsys", "ok", fake_tools.timeline(tmp_path / "t.sqlite", 4, ranges=False))
    assert record.status == "skipped"
    assert "nsys 2022.4.2 records none of nvtx 0.2.17" in record.reason and "nvtx<=0.2.11" in record.reason
    assert kept(record) == {"log.txt"}
    monkeypatch.setenv("BITLEDGER_FAKE_VERSION", "2025.1")
    record = observe("nsys", "no output", device="cpu")
    assert record.status == "skipped" and "no NVTX range arrived" in record.reason and "0.2.11" not in record.reason


def test_steps_that_were_dropped(observe: Observe, tmp_path: Path) -> None:
    record = observe("nsys", "ok", fake_tools.timeline(tmp_path / "t.sqlite", 3))
    assert record.status == "failed" and "3 decode_step ranges of 4" in record.reason


def counters_file(path: Path, launches: int = 2) -> Path:
    values = ["2000", "30", "10", "60", "40", "4096", "1024"]
    path.write_text(wide_csv(COUNTERS, [("gemm_4bit_simt", values)] * launches))
    return path


@pytest.mark.parametrize(("instrument", "control"), [("ncu-cold", "all"), ("ncu-warm", "none")])
def test_counters_of_ncu(instrument: str, control: str, observe: Observe, tmp_path: Path) -> None:
    record = observe(instrument, "ok", counters_file(tmp_path / "c.csv"))
    assert record.status == "ok", record.reason
    assert record.values("profiled_launches") == (2,)
    assert record.values("kernel_time") == pytest.approx((4e-6,))
    assert (record.values("l1_hits"), record.values("l2_misses")) == ((60,), (80,))
    assert (record.values("dram_read"), record.values("dram_written")) == ((8192,), (2048,))
    assert record.setup["cache_control"] == control and record.setup["clock_control"] == "none"
    assert "sm__warps_active.avg.pct_of_peak_sustained_active" in record.setup["absent"]
    assert record.setup["top"][0]["l2_hit_rate"] == pytest.approx(0.6)
    assert kept(record) == {"counters.ncu-rep", "summary.json", "log.txt"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("bitledger:decode_step/layer/q_proj", "q_proj"),
        ("bitledger:decode_step", "decode_step"),
        ("bitledger:decode_step/layer CCCL:cub::Reduce", "layer"),
        ("", "no range"),
    ],
)
def test_launches_belong_to_their_innermost_range(path: str, name: str) -> None:
    assert innermost(path) == name


def test_a_counter_that_did_not_come_back(observe: Observe, tmp_path: Path) -> None:
    file = tmp_path / "c.csv"
    file.write_text(wide_csv(COUNTERS[:3], [("k", ["2000", "30", "n/a"])]))
    record = observe("ncu-cold", "ok", file)
    assert record.status == "ok"
    assert record.values("l1_misses") == () and "lookup_miss" in record.not_collected["l1_misses"]
    assert "dram_read" in record.not_collected and record.values("dram_read") == ()


def test_counters_that_are_refused(observe: Observe) -> None:
    record = observe("ncu-cold", "refused")
    assert record.status == "skipped"
    assert record.reason.startswith("not collected: hardware counters were not permitted")
    assert "NVreg_RestrictProfilingToAdminUsers=0" in record.reason


@pytest.mark.parametrize(
    ("machine", "device", "reason"),
    [
        ({"gpu": False}, "cuda", "no NVIDIA GPU"),
        ({"tools": {}}, "cuda", "ncu was not found"),
        ({"driver_parameters": "RmProfilingAdminOnly: 1\n"}, "cuda", "not permitted"),
        ({}, "cpu", "the Case runs on the CPU"),
    ],
)
def test_counters_that_cannot_be_had(machine: dict[str, object], device: str, reason: str, observe: Observe) -> None:
    record = observe("ncu-warm", "ok", machine=machine, device=device)
    assert record.status == "skipped"
    assert record.reason.startswith("not collected: ") and reason in record.reason
    assert record.artifacts == () and record.metrics == ()


@pytest.mark.parametrize(("instrument", "rate"), [("py-spy-python", 80), ("py-spy-everything", 20)])
def test_samples_of_py_spy(instrument: str, rate: int, observe: Observe, tmp_path: Path) -> None:
    file = tmp_path / "s.txt"
    file.write_text(STACKS.format("forward (bitsandbytes/nn/modules.py:5)"))
    record = observe(instrument, "ok", file, rate=80)
    assert record.status == "ok", record.reason
    assert record.values("host_samples_bitsandbytes") == (3,)
    assert record.values("host_samples_python") == (0,), "warm-up and prefill are left out"
    assert record.values("host_samples_elsewhere") == (14,)
    assert record.setup["rate_hz"] == rate
    assert kept(record) == {"samples.txt.gz", "flamegraph.svg", "log.txt"}


def test_tracing_that_is_refused(observe: Observe) -> None:
    record = observe("py-spy-everything", "no tracing")
    assert record.status == "skipped" and "--cap-add SYS_PTRACE" in record.reason
    assert observe("py-spy-python", "ok", machine={"ptrace_scope": 3}).status == "skipped"


@pytest.mark.parametrize("instrument", ["nsys", "ncu-cold", "py-spy-python"])
@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("crash", "ended with code 3: Segmentation fault somewhere"),
        ("target fails", "cannot load the model: give another folder"),
    ],
)
def test_a_tool_that_fails(instrument: str, how: str, told: str, observe: Observe) -> None:
    record = observe(instrument, how)
    assert record.status == "failed"
    assert told in record.reason and "\n" not in record.reason
    assert kept(record) == {"log.txt"}
    assert record.setup["arm"]["name"] == "nf4"


@pytest.mark.parametrize(
    ("instrument", "told"), [("ncu-cold", "no counter table"), ("py-spy-python", "wrote no samples")]
)
def test_a_tool_that_leaves_nothing(instrument: str, told: str, observe: Observe) -> None:
    record = observe(instrument, "no output")
    assert record.status == "failed" and told in record.reason


@pytest.mark.parametrize("stubborn", some_of((False, True), (True,)))
def test_a_tool_that_hangs(stubborn: bool, observe: Observe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    monkeypatch.setenv("BITLEDGER_FAKE_PID", str(pid))
    monkeypatch.setattr(process, "_GRACE_S", 0.5)
    if stubborn:
        monkeypatch.setenv("BITLEDGER_FAKE_STUBBORN", "1")
    record = observe("nsys", "hang", limit_s=2.0)
    assert record.status == "failed" and "after its limit of 2 s" in record.reason
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_raw_files_that_are_too_large_are_left_out(observe: Observe, tmp_path: Path) -> None:
    record = observe("nsys", "ok", fake_tools.timeline(tmp_path / "t.sqlite", 4), keep_bytes=2000)
    assert record.status == "ok"
    assert kept(record) == {"summary.json", "log.txt"}
    assert any(note.startswith("timeline.sqlite: ") for note in record.setup["left_out"])
    folder = tmp_path / "run" / Path(record.artifacts[0].path).parent
    assert {path.name for path in folder.iterdir()} == kept(record)


def test_another_case_than_the_one_asked_for(observe: Observe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = fake_tools.timeline(tmp_path / "t.sqlite", 4)
    install = fake_tools.TOOL.replace('os.environ["BITLEDGER_FAKE_CASE"]', '"another"')
    monkeypatch.setattr(fake_tools, "TOOL", install)
    fake_tools.install(tmp_path / "bin", "nsys")
    record = observe("nsys", "ok", result)
    assert record.status == "failed" and "another Case" in record.reason


def test_an_error_that_nobody_foresaw_is_a_failed_record_with_the_traceback_in_its_log(
    observe: Observe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_file(*_: object) -> None:
        raise KeyError("a column that is not there")

    monkeypatch.setattr(timelines, "of_file", of_file)
    record = observe("nsys", "ok", fake_tools.timeline(tmp_path / "t.sqlite", 4))
    assert record.status == "failed" and record.reason == "KeyError: 'a column that is not there'"
    assert kept(record) == {"log.txt"}
    assert "Traceback" in (tmp_path / "run" / record.artifacts[0].path).read_text()
