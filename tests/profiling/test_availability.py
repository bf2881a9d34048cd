from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from profiling.availability import (
    PERFMON,
    SYS_ADMIN,
    SYS_PTRACE,
    ProfilingTools,
    ncu_refusal,
    no_ncu,
    no_nsys,
    no_py_spy,
    probe,
    py_spy_refusal,
)

TOOLS = {name: f"/usr/bin/{name}" for name in ("ncu", "nsys", "py-spy")}
GOOD = ProfilingTools(TOOLS, gpu=True, driver_parameters="RmProfilingAdminOnly: 0\n", capabilities=0, ptrace_scope=1)
LOCKED = replace(GOOD, driver_parameters="A: 3\nRmProfilingAdminOnly: 1\n")


def test_a_machine_that_allows_everything() -> None:
    assert no_ncu(GOOD) is None
    assert no_nsys(GOOD) is None
    assert no_py_spy(GOOD) is None


@pytest.mark.parametrize(
    ("machine", "reason", "remedy"),
    [
        (replace(GOOD, gpu=False), "no NVIDIA GPU", "--gpus all"),
        (replace(GOOD, tools={}), "ncu was not found", "Nsight Compute"),
        (LOCKED, "not permitted", "NVreg_RestrictProfilingToAdminUsers=0"),
    ],
)
def test_why_there_are_no_counters(machine: ProfilingTools, reason: str, remedy: str) -> None:
    answer = no_ncu(machine)
    assert answer is not None
    assert reason in answer.reason
    assert remedy in answer.remedy
    assert str(answer).startswith("not collected: ")


@pytest.mark.parametrize("capability", [SYS_ADMIN, PERFMON])
def test_an_administrator_may_read_counters(capability: int) -> None:
    assert no_ncu(replace(LOCKED, capabilities=1 << capability)) is None
    assert no_ncu(replace(LOCKED, capabilities=1 << SYS_PTRACE)) is not None


def test_an_unknown_driver_setting_is_tried() -> None:
    assert no_ncu(replace(GOOD, driver_parameters=None)) is None


def test_nsys_needs_no_gpu() -> None:
    assert no_nsys(replace(GOOD, gpu=False)) is None
    missing = no_nsys(replace(GOOD, tools={"nsys": None}))
    assert missing is not None and "nsight-systems" in missing.remedy


@pytest.mark.parametrize(
    ("scope", "capabilities", "allowed"),
    [(None, 0, True), (0, 0, True), (1, 0, True), (2, 0, False), (2, 1 << SYS_PTRACE, True), (3, -1, False)],
)
def test_whether_py_spy_may_trace(scope: int | None, capabilities: int, allowed: bool) -> None:
    answer = no_py_spy(replace(GOOD, ptrace_scope=scope, capabilities=capabilities))
    assert (answer is None) is allowed


def test_py_spy_is_missing() -> None:
    answer = no_py_spy(replace(GOOD, tools={}))
    assert answer is not None and "pip install py-spy" in answer.remedy


def test_refusals_in_the_tools_own_words() -> None:
    denied = ncu_refusal("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission")
    assert denied is not None and "SYS_ADMIN" in denied.remedy
    busy = ncu_refusal("==ERROR== Profiling failed because a driver resource was unavailable.")
    assert busy is not None and "DCGM" in busy.remedy
    assert ncu_refusal("==PROF== Connected to process 1") is None
    traced = py_spy_refusal("Error: Permission Denied: Try running again with elevated permissions")
    assert traced is not None and "SYS_PTRACE" in traced.remedy
    assert py_spy_refusal("py-spy> Wrote raw flamegraph data") is None


def test_probing_a_machine(tmp_path: Path) -> None:
    for name, text in {
        "proc/driver/nvidia/params": "RmProfilingAdminOnly: 1\n",
        "proc/self/status": "Name:\tx\nCapEff:\t000001ffffffffff\n",
        "proc/sys/kernel/yama/ptrace_scope": "2\n",
        "dev/nvidia0": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    machine = probe(tmp_path)
    assert machine.gpu
    assert machine.ptrace_scope == 2
    assert machine.may(SYS_ADMIN) and machine.may(PERFMON)
    assert machine.driver_parameters == "RmProfilingAdminOnly: 1\n"


def test_probing_an_empty_machine(tmp_path: Path) -> None:
    machine = probe(tmp_path)
    assert not machine.gpu
    assert machine.capabilities == 0
    assert machine.ptrace_scope is None
    assert machine.driver_parameters is None
