from __future__ import annotations

import pytest

from profiling import commands
from profiling.commands import Launches, nvtx_filter
from profiling.metrics import TIERS, metric_names, requested_but_absent
from profiling.readers.counters import Launch, from_launches

PROGRAM = commands.target(["--model", "smoke", "--scheme", "nf4"], python="python3")


def option(argv: tuple[str, ...], name: str) -> str:
    return argv[argv.index(name) + 1]


@pytest.mark.parametrize(("caches", "control", "replay"), [("cold", "all", "kernel"), ("warm", "none", "application")])
def test_cold_and_warm_counters(caches: commands.Caches, control: str, replay: str) -> None:
    command = commands.ncu(PROGRAM, "out", metric_names("core"), caches)
    assert command.argv[0] == "ncu"
    assert option(command.argv, "--cache-control") == control
    assert option(command.argv, "--replay-mode") == replay
    assert option(command.argv, "--clock-control") == "none"
    assert option(command.argv, "--print-units") == "base"
    assert option(command.argv, "--profile-from-start") == "off"
    assert option(command.argv, "--nvtx-include") == "bitledger@decode_step/"
    assert option(command.argv, "--metrics").split(",") == list(metric_names("core"))
    assert "--kernel-name" not in command.argv
    assert command.argv[-len(PROGRAM) :] == ("python3", "-m", "profiling.target", "--model", "smoke", "--scheme", "nf4")
    assert command.environment == {"LC_ALL": "C"}


def test_which_launches() -> None:
    launches = Launches(kernels="gemm_4bit|kDequantize", skip=3, count=20)
    argv = commands.ncu(PROGRAM, "out", ["m"], "warm", ("decode_step", "q_proj"), launches).argv
    assert option(argv, "--kernel-name") == "regex:gemm_4bit|kDequantize"
    assert option(argv, "--launch-skip") == "3"
    assert option(argv, "--launch-count") == "20"
    assert option(argv, "--nvtx-include") == "bitledger@decode_step/*/q_proj"


@pytest.mark.parametrize("name", ["", "a/b", "a@b", "a*", "a,b", "x$"])
def test_reserved_characters_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="reserves"):
        nvtx_filter("decode_step", name)


def test_a_report_is_printed_in_the_form_that_needs_no_guessing() -> None:
    command = commands.ncu_to_csv("a.ncu-rep")
    assert command.argv == ("ncu", "-i", "a.ncu-rep", "--csv", "--page", "raw", "--print-units", "base")
    assert command.environment["LC_ALL"] == "C"


def test_timelines_with_and_without_a_gpu() -> None:
    gpu = commands.nsys(PROGRAM, "out", gpu=True).argv
    assert option(gpu, "-t") == "cuda,nvtx,osrt"
    assert option(gpu, "-c") == "cudaProfilerApi"
    assert "--sample=none" in gpu
    cpu = commands.nsys(PROGRAM, "out", gpu=False).argv
    assert option(cpu, "-t") == "nvtx,osrt"
    assert "-c" not in cpu
    ranged = commands.nsys(PROGRAM, "out", gpu=False, capture_range="decode_step").argv
    assert option(ranged, "-p") == "decode_step@bitledger"
    assert commands.nsys_to_sqlite("a.nsys-rep", "a.sqlite").argv[-3:] == ("-o", "a.sqlite", "a.nsys-rep")


def test_host_samples() -> None:
    everything = commands.py_spy(PROGRAM, "out.raw", "everything").argv
    assert {"--native", "--idle"} <= set(everything)
    assert "--gil" not in everything
    python = commands.py_spy(PROGRAM, "out.json", "python", "speedscope", rate=50).argv
    assert "--gil" in python
    assert "--native" not in python
    assert option(python, "--format") == "speedscope"
    assert option(python, "--rate") == "50"
    assert python[python.index("--") + 1 :] == PROGRAM


def test_tiers_contain_each_other_and_name_nothing_twice() -> None:
    for chip in (None, "sm_80", "sm_90"):
        core, cause, everything = (metric_names(tier, chip) for tier in ("core", "cause", "all"))
        assert len(core) == 9
        assert set(core) < set(cause) < set(everything)
        assert len(set(everything)) == len(everything)
    assert all(counter.meaning for counter in TIERS["all"])


def test_a_name_of_another_chip_is_not_asked_for() -> None:
    a100, h100, any_chip = (metric_names("cause", chip) for chip in ("sm_80", "sm_90", None))
    assert any("pipe_fp16" in name for name in a100)
    assert not any("pipe_fp16" in name for name in h100)
    assert any("gmma" in name for name in h100)
    assert not any("gmma" in name or "pipe_fp16" in name for name in any_chip)


def test_what_was_asked_for_and_did_not_come_back() -> None:
    counters = from_launches([Launch("k", metrics={"a": (1.0, "")}), Launch("k", metrics={"b": (0.0, "")})])
    assert requested_but_absent(["c", "a", "b", "d"], counters) == ("c", "d")
