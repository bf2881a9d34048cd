"""CodeCarbon's offline tracker over windows of its own, as a second opinion beside the direct counters.

The first tracker of a process takes a second or more to look for hardware, and the first stop loads its tables:
a throw-away tracker pays for both before the first window, where it can in the process that measuring ones are forked
from (``warm_up``). Tracking mode "machine", because the direct
counters (NVML, RAPL) are of the whole board and package too; "process" would not be comparable.
Every setting is given, so that a user's ~/.codecarbon.config cannot bend the figures. It uses no network
and writes no file. Its log is heard and not printed: warnings are kept. Its scheduler that did not run is a finding,
also where it does not say so itself (it looks only while the scheduler runs).

What it reports: CPU from RAPL if readable, else a model of load and a guessed TDP; RAM always a constant per
memory size; GPU from NVML, but only if nvidia-smi is on the PATH.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

from bench.record.errors import MachineError, MeasurementError, UsageError
from bench.record.metrics import JOULES_PER_KWH
from bench.record.schema import Finding, metric
from bench.record.suggested import quoted

from .readings import Readings

NAMES = (
    "codecarbon_energy",
    "codecarbon_energy_cpu",
    "codecarbon_energy_gpu",
    "codecarbon_energy_ram",
    "codecarbon_emissions",
)
_MEASURED_CPU_MODES = ("intel_rapl",)


_PERIOD_S = 1
# Of the measurements that its scheduler should have made in a window; windows in which it should make fewer than
# _JUDGED are not judged.
_LEAST_RUN, _JUDGED = 1 / 3, 3.0
# Share by which its time of a window may differ from the work's, beside a second in which it starts and stops.
_APART = 0.2
_UNHEARD = ("Multiple instances of codecarbon are allowed",)  # as we asked


@dataclass(frozen=True)
class _CarbonWindow:
    """``seconds``: of the work. ``data``: codecarbon's EmissionsData. ``measured``: how often its scheduler measured,
    None if it does not say. ``warnings``: what it logged."""

    tokens: int
    seconds: float
    data: Any
    cpu_mode: str
    sees_gpu: bool
    measured: int | None
    warnings: tuple[str, ...]


def measure_carbon(
    work: Callable[[], int],
    *,
    country: str,
    min_seconds: float,
    windows: int = 1,
    gpu: bool = False,
    tracker_factory: Callable[[], Any] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Readings:
    """``work`` (as for ``measure_windows``) repeated under CodeCarbon until ``min_seconds`` passed, ``windows`` times.

    ``country``: three-letter ISO code, for the carbon intensity of its grid. ``window_time`` is the time that
    the tracker covers. Raises UsageError for a country CodeCarbon has no data for, MachineError without
    CodeCarbon, MeasurementError if it gave nothing (it swallows its own errors).
    """
    with _captured_warnings() as warnings:
        make = tracker_factory or _factory(country)
        _warm_up(make)
        done = [_window(make, work, min_seconds, clock, warnings) for _ in range(windows)]
    return _readings(done, country, gpu)


def warm_up(country: str) -> None:
    """Have CodeCarbon look for hardware and load its tables, which this process and those forked from it then know.
    Raises as ``measure_carbon`` does."""
    with _captured_warnings():
        _warm_up(_factory(country))


@contextmanager
def _captured_warnings() -> Iterator[list[str]]:
    """What CodeCarbon logs from a warning on, instead of it being printed."""
    lines: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING and not record.getMessage().startswith(_UNHEARD):
            lines.append(record.getMessage())
        return False

    logger = logging.getLogger("codecarbon")
    logger.addFilter(keep)
    try:
        yield lines
    finally:
        logger.removeFilter(keep)


def _factory(country: str) -> Callable[[], Any]:
    try:
        codecarbon = import_module("codecarbon")
        # It imports pandas only here: a host may have the one without the other.
        known = import_module("codecarbon.input").DataSource().get_global_energy_mix_data()
    except ImportError as error:
        raise MachineError(_missing(error.name or "codecarbon")) from None
    if country not in known:
        raise UsageError(f"CodeCarbon knows no country {country!r}: give a three-letter ISO code such as DEU or USA")
    settings: dict[str, Any] = {
        "country_iso_code": country,
        "region": None,
        "cloud_provider": None,
        "cloud_region": None,
        "output_methods": [],  # the newer name of save_to_file=False and its kin
        "measure_power_secs": _PERIOD_S,
        "tracking_mode": "machine",
        "log_level": "warning",
        "allow_multiple_runs": True,  # else it takes a lock in /tmp and the signal handlers
        "electricitymaps_api_token": False,  # None would let a configured token open a connection
        "force_cpu_power": None,
        "force_ram_power": None,
        "force_carbon_intensity_g_co2e_kwh": None,
        "force_mode_cpu_load": False,
        "rapl_include_dram": False,
        "rapl_prefer_psys": False,
        "pue": 1.0,
        "wue": 0.0,
    }
    return lambda: codecarbon.OfflineEmissionsTracker(**settings)


def _missing(package: str) -> str:
    what = "is not installed" if package == "codecarbon" else f"cannot be used without {package}"
    return f"CodeCarbon {what}: 'make setup', or pip install {package}"


def _warm_up(make: Callable[[], Any]) -> None:
    tracker = make()
    tracker.start()
    tracker.stop()


def _window(
    make: Callable[[], Any],
    work: Callable[[], int],
    min_seconds: float,
    clock: Callable[[], float],
    warnings: list[str],
) -> _CarbonWindow:
    tracker = make()
    warnings.clear()
    tracker.start()
    try:
        began, tokens = clock(), work()
        while clock() - began < min_seconds:
            tokens += work()
        seconds = clock() - began
    finally:
        tracker.stop()
    data = getattr(tracker, "final_emissions_data", None)
    if data is None or not data.energy_consumed > 0:
        raise MeasurementError(f"CodeCarbon gave no energy: run {quoted('doctor')} to see what it can read here")
    if tokens <= 0:
        raise MeasurementError("a CodeCarbon window produced no tokens: its energy per token means nothing")
    count = getattr(tracker, "_power_measurement_count", None)
    parts = {type(part).__name__: part for part in getattr(tracker, "_hardware", ())}
    return _CarbonWindow(
        tokens,
        seconds,
        data,
        str(getattr(parts.get("CPU"), "_mode", "unknown")),
        "GPU" in parts,
        None if count is None else max(0, count - 2),  # it measures when it starts and stops, too
        tuple(warnings),
    )


def _readings(done: list[_CarbonWindow], country: str, gpu: bool) -> Readings:
    seen = all(window.sees_gpu for window in done)
    columns: dict[str, list[float]] = {
        "window_time": [window.data.duration for window in done],
        "window_tokens": [window.tokens for window in done],
        "codecarbon_energy": [window.data.energy_consumed * JOULES_PER_KWH for window in done],
        "codecarbon_energy_cpu": [window.data.cpu_energy * JOULES_PER_KWH for window in done],
        "codecarbon_energy_ram": [window.data.ram_energy * JOULES_PER_KWH for window in done],
        "codecarbon_emissions": [window.data.emissions for window in done],
    }
    absent = {}
    if seen:
        columns["codecarbon_energy_gpu"] = [window.data.gpu_energy * JOULES_PER_KWH for window in done]
    else:
        absent["codecarbon_energy_gpu"] = _no_gpu()
    for part in ("cpu", "ram"):
        powers = [getattr(window.data, f"{part}_power", None) for window in done]
        if None not in powers:
            columns[f"codecarbon_power_{part}"] = [float(watts) for watts in powers if watts is not None]
    findings = [*_unscheduled(done), *_other_time(done), *([_gpu_missed()] if gpu and not seen else [])]
    metrics = tuple(metric(name, values) for name, values in columns.items())
    return Readings(metrics, absent, tuple(findings), _setup(done, country, seen))


def _unscheduled(done: Sequence[_CarbonWindow]) -> Iterator[Finding]:
    """CodeCarbon's "Background scheduler didn't run", from its own log, or from how often it measured."""
    lines = [line for window in done for line in window.warnings if "scheduler didn't run" in line]
    for window in done:
        due = window.data.duration / _PERIOD_S
        if window.measured is not None and due >= _JUDGED and window.measured < _LEAST_RUN * due:
            lines.append(f"{window.measured} of {due:.0f} measurements in {window.data.duration:.1f} s")
    if lines:
        yield Finding(
            "codecarbon-scheduler",
            "warning",
            "CodeCarbon's background scheduler didn't run for a long period: its joules may miss wraps and load",
            evidence="; ".join(dict.fromkeys(lines)),
            remedy="take the direct counters' joules; look for work that holds the interpreter (GIL) for seconds",
        )


def _other_time(done: Sequence[_CarbonWindow]) -> Iterator[Finding]:
    """CodeCarbon 2 times its windows by the clock of the day, which a correction or a resumed machine moves."""
    for window in done:
        if abs(window.data.duration - window.seconds) > _APART * window.seconds + _PERIOD_S:
            yield Finding(
                "codecarbon-clock",
                "warning",
                "CodeCarbon's time of a window is not the time that its work took: its joules are of another time",
                evidence=f"{window.data.duration:.4g} s, but {window.seconds:.4g} s of work",
                remedy="look for a clock that was set meanwhile or a machine that slept; measure again",
            )
            return


def _no_gpu() -> str:
    if shutil.which("nvidia-smi") is None:
        return "CodeCarbon sees a GPU only with nvidia-smi on the PATH, and it is not there"
    return "CodeCarbon found no GPU"


def _gpu_missed() -> Finding:
    return Finding(
        "codecarbon-without-gpu",
        "warning",
        "CodeCarbon's total leaves out the GPU that did the work",
        evidence=_no_gpu(),
        remedy="put nvidia-smi on the PATH (containers: the 'utility' driver capability); use energy_gpu meanwhile",
    )


def _setup(done: Sequence[_CarbonWindow], country: str, sees_gpu: bool) -> Mapping[str, Any]:
    cpu_mode = done[0].cpu_mode
    sources = {
        "cpu": "RAPL" if cpu_mode in _MEASURED_CPU_MODES else f"a model of CPU load and a guessed TDP ({cpu_mode})",
        "ram": "a constant per memory size",
        "gpu": "NVML" if sees_gpu else "not counted",
    }
    guessed = [] if cpu_mode in _MEASURED_CPU_MODES else ["cpu"]
    why = "RAM is a constant per memory size, never measured"
    if guessed:
        why += "; CPU is a model of load and a guessed TDP, because RAPL is not readable here"
    return {
        "estimated": True,  # the total always holds the RAM constant
        "estimated_why": why,
        "estimated_parts": [*guessed, "ram"],
        "sources": sources,
        "country": country,
        "carbon_intensity_kg_per_kwh": done[0].data.emissions / done[0].data.energy_consumed,
        "warnings": list(dict.fromkeys(line for window in done for line in window.warnings)),
        "tracking_mode": "machine",
        "codecarbon_version": _version(),
    }


def _version() -> str:
    try:
        return version("codecarbon")
    except ImportError:  # PackageNotFoundError is one
        return "unknown"
