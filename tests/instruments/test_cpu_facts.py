import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.instruments import cpu
from bench.record.errors import MachineError


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3})


@pytest.fixture
def machine(tmp_path):
    cpuinfo = "\n\n".join(
        f"processor\t: {core}\nmodel name\t: Xeon\nphysical id\t: {core // 2}\ncpu MHz\t\t: {2000 + core}.5\n"
        "flags\t\t: fpu avx2 avx512f avx512_bf16 amx_tile aperfmperf sse4_2 syscall"
        for core in range(4)
    )
    write(tmp_path / "proc/cpuinfo", cpuinfo)
    write(tmp_path / "proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 60 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n")
    for index, level, kind, size in ((0, 1, "Data", "48K"), (1, 1, "Instruction", "32K"), (3, 3, "Unified", "30M")):
        for name, value in (("level", level), ("type", kind), ("size", size)):
            write(tmp_path / f"cpu/cpu2/cache/index{index}/{name}", f"{value}\n")
    write(tmp_path / "cpu/cpu2/cpufreq/scaling_governor", "powersave\n")
    write(tmp_path / "cpu/cpu2/cpufreq/cpuinfo_max_freq", "3500000\n")
    return tmp_path


def test_facts_are_in_si_and_json_types(machine):
    write(machine / "cgroup/cpu.max", "150000 100000\n")
    write(machine / "cgroup/memory.max", "max\n")
    known = cpu.facts(machine / "cpu", machine / "proc", machine / "cgroup")
    assert known["model"] == "Xeon"
    assert known["usable_cores"] == 2
    assert known["quota_cores"] == 1.5
    assert known["sockets"] == 2
    assert known["flags"] == ["amx_tile", "avx2", "avx512_bf16", "avx512f", "sse4_2"]
    assert known["governor"] == "powersave"
    assert known["clock_max_hz"] == 3.5e9
    assert known["memory_bytes"] == 102_400
    assert (known["l1d_bytes"], known["l3_bytes"]) == (48 << 10, 30 << 20)
    assert known["hypervisor"] is False
    assert not {"l1_bytes", "l2_bytes", "memory_limit_bytes"} & known.keys()


def test_an_empty_machine_gives_little_and_never_fails(tmp_path):
    known = cpu.facts(tmp_path, tmp_path, tmp_path)
    assert known["usable_cores"] == 2
    assert None not in known.values()
    assert cpu.memory(tmp_path) == {}
    assert cpu.temperature_degc(tmp_path) is None
    assert cpu.OthersMeter(tmp_path, 0).cores() is None


def test_limits_of_cgroup_1(tmp_path):
    write(tmp_path / "cpu/cpu.cfs_quota_us", "400000\n")
    write(tmp_path / "cpu/cpu.cfs_period_us", "100000\n")
    write(tmp_path / "memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert cpu.quota_cores(tmp_path) == 4.0
    assert cpu.memory_limit(tmp_path) is None
    write(tmp_path / "memory/memory.limit_in_bytes", "1048576\n")
    assert cpu.memory_limit(tmp_path) == 1 << 20
    write(tmp_path / "cpu/cpu.cfs_quota_us", "-1\n")
    assert cpu.quota_cores(tmp_path) is None


def test_clock_from_cpufreq_then_from_cpuinfo(machine):
    assert cpu.clock_hz(machine / "cpu", machine / "proc") == pytest.approx(2002e6)
    write(machine / "cpu/cpu2/cpufreq/scaling_cur_freq", "1000000\n")
    write(machine / "cpu/cpu3/cpufreq/scaling_cur_freq", "3000000\n")
    assert cpu.clock_hz(machine / "cpu", machine / "proc") == 2e9


def test_a_virtual_machines_constant_is_not_a_clock(tmp_path):
    write(tmp_path / "cpuinfo", "cpu MHz : 2596.1\nflags : fpu hypervisor\n")
    with pytest.raises(MachineError, match="virtual machines hide it"):
        cpu.clock_hz(tmp_path, tmp_path)


def test_memory_and_swap(machine):
    assert cpu.memory(machine / "proc") == {"memory_available_bytes": 61_440, "swap_used_bytes": 6_144}


def test_the_hottest_sensor_counts(tmp_path):
    write(tmp_path / "thermal/thermal_zone0/type", "x86_pkg_temp\n")
    write(tmp_path / "thermal/thermal_zone0/temp", "51000\n")
    write(tmp_path / "thermal/thermal_zone1/type", "battery\n")
    write(tmp_path / "thermal/thermal_zone1/temp", "99000\n")
    write(tmp_path / "hwmon/hwmon0/name", "k10temp\n")
    write(tmp_path / "hwmon/hwmon0/temp1_input", "62500\n")
    assert cpu.temperature_degc(tmp_path) == 62.5


@given(ours=st.floats(0, 3), others=st.floats(0, 3), seconds=st.floats(0.2, 60))
def test_others_are_what_is_busy_on_our_cores_and_not_ours(tmp_path_factory, ours, others, seconds):
    proc = tmp_path_factory.mktemp("proc")
    meter, clock, own = cpu.OthersMeter(proc, min_seconds=0), [100.0], [5.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.instruments.cpu.time.perf_counter", lambda: clock[0])
        patch.setattr("bench.instruments.cpu.time.sleep", lambda _: None)
        patch.setattr(os, "times", lambda: os.times_result((own[0] / 2, own[0] / 2, 0.0, 0.0, 0.0)))
        patch.setattr(os, "sysconf", lambda _: 100)
        _stat(proc, 0)
        meter._last = meter._reading()
        _stat(proc, round((ours + others) * 100))
        clock[0], own[0] = clock[0] + seconds, own[0] + ours
        assert meter.cores() == pytest.approx(others / seconds, abs=0.011 / seconds)


def test_who_does_not_wait_is_told_once_there_is_enough_to_average_over(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("bench.instruments.cpu.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("bench.instruments.cpu.time.sleep", lambda s: s and pytest.fail("it slept"))
    monkeypatch.setattr(os, "times", lambda: os.times_result((1.0, 0.0, 0.0, 0.0, 0.0)))
    meter, busy = cpu.OthersMeter(tmp_path, min_seconds=0.2), 0
    found = []
    for seconds in (0.0, 0.1, 0.15, 0.1, 1.9):
        clock[0] += seconds
        busy += round(seconds * 100)
        _stat(tmp_path, busy)
        found.append(meter.cores(wait=False))
    assert [value is None for value in found] == [True, True, False, True, False]
    assert found[2] == pytest.approx(1, abs=0.1)
    assert found[4] == pytest.approx(1, abs=0.02)


def _stat(proc, busy):
    """Cores 2 and 3 share ``busy`` ticks over user, system, irq and steal; cores 0 and 1 are not ours."""
    part, rest = divmod(busy, 4)
    rows = [f"cpu{core} {busy * 9 + core} 0 0 5 5 0 0 0 7 7" for core in (0, 1)]
    rows += [
        f"cpu2 {10 + part} 0 {part} 1000 1000 {part} 0 0 {busy} 9",
        f"cpu3 {20 + rest} 0 0 1000 1000 0 0 {part} {busy} 9",
    ]
    write(proc / "stat", "cpu 1 2 3 4\n" + "\n".join(rows) + "\nintr 1\n")
