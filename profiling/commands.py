"""The profilers' command lines, as argument lists. Pure: nothing is started here.

Every command observes ``python -m profiling.target …``, which opens the capture with cudaProfilerStart and
marks its steps with NVTX ranges in the domain "bitledger".
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

DOMAIN = "bitledger"
Caches = Literal["cold", "warm"]
_RESERVED = frozenset("@,[]/*+$")

# ncu prints numbers in the locale's format; C is the one that needs no guessing.
C_LOCALE: Mapping[str, str] = {"LC_ALL": "C"}


@dataclass(frozen=True)
class Command:
    """What to start: ``argv``, and ``environment`` to add to the caller's own."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Launches:
    """Which launches to observe: a regular expression on the kernel's name, how many to skip and to take."""

    kernels: str | None = None
    skip: int = 0
    count: int | None = None


ALL_LAUNCHES = Launches()


def target(arguments: Sequence[str], python: str = sys.executable) -> tuple[str, ...]:
    """The observed program."""
    return (python, "-m", "profiling.target", *arguments)


def nvtx_filter(*ranges: str) -> str:
    """ncu's filter for launches inside nested push/pop ranges, outermost first.

    A gap between two ranges may hold others ("*"). The closing slash makes it match push/pop ranges.
    Raises ValueError for a name with a character that the filter language reserves.
    """
    for name in ranges:
        if not name or _RESERVED & set(name):
            raise ValueError(
                f"range name {name!r} holds one of {' '.join(sorted(_RESERVED))}, which ncu's filter reserves"
            )
    path = "/*/".join(ranges)
    return f"{DOMAIN}@{path}" if len(ranges) > 1 else f"{DOMAIN}@{path}/"


def ncu(
    program: Sequence[str],
    out: str,
    metrics: Sequence[str],
    caches: Caches,
    ranges: Sequence[str] = ("decode_step",),
    launches: Launches = ALL_LAUNCHES,
) -> Command:
    """Counters of the kernels inside nested NVTX ranges, into ``out``.ncu-rep.

    "cold" flushes all caches before each pass and replays kernel by kernel: each kernel is seen alone.
    "warm" leaves the caches as the program left them; it repeats the whole program for each pass, because
    replaying a kernel would warm the caches for itself. Clocks are not touched, so that the times are those
    of the machine as it is.
    """
    modes = {"cold": ("kernel", "all"), "warm": ("application", "none")}
    replay, cache_control = modes[caches]
    options = ["ncu", "--nvtx", "--nvtx-include", nvtx_filter(*ranges), *_launch_options(launches)]
    options += ["--target-processes", "all", "--profile-from-start", "off"]
    options += ["--replay-mode", replay, "--cache-control", cache_control, "--clock-control", "none"]
    options += ["--print-units", "base", "--metrics", ",".join(metrics), "-f", "-o", out]
    return Command((*options, *program), C_LOCALE)


def _launch_options(launches: Launches) -> list[str]:
    options = [] if launches.kernels is None else ["--kernel-name", f"regex:{launches.kernels}"]
    if launches.skip:
        options += ["--launch-skip", str(launches.skip)]
    return options if launches.count is None else [*options, "--launch-count", str(launches.count)]


def ncu_to_csv(report: str) -> Command:
    """Prints a report as CSV: one row per launch, base units."""
    return Command(("ncu", "-i", report, "--csv", "--page", "raw", "--print-units", "base"), C_LOCALE)


def nsys(program: Sequence[str], out: str, gpu: bool, capture_range: str | None = None) -> Command:
    """A timeline into ``out``.nsys-rep.

    With a GPU the capture follows cudaProfilerStart/Stop. Without one nobody calls those, so it holds the
    whole run, or what follows the first NVTX range named ``capture_range``. Sampling is off, because it
    would disturb the host that is being measured.
    """
    what = ["-t", "cuda,nvtx,osrt" if gpu else "nvtx,osrt"]
    if gpu:
        what += ["-c", "cudaProfilerApi", "--capture-range-end=stop"]
    elif capture_range is not None:
        what += ["-c", "nvtx", "-p", f"{capture_range}@{DOMAIN}", "--capture-range-end=none"]
    return Command(("nsys", "profile", *what, "--sample=none", "--cpuctxsw=none", "-f", "true", "-o", out, *program))


def nsys_to_sqlite(report: str, out: str) -> Command:
    """Exports a report to SQLite, which any version can read."""
    return Command(("nsys", "export", "--type", "sqlite", "--force-overwrite", "true", "-o", out, report))


def py_spy(
    program: Sequence[str],
    out: str,
    look: Literal["python", "everything"],
    style: Literal["raw", "speedscope"] = "raw",
    rate: int = 200,
) -> Command:
    """Samples of the host's stacks, ``rate`` per second.

    "python" takes only threads that hold the interpreter's lock (Python's own work); "everything" takes native
    frames and waiting threads too. Their difference separates dispatch from waiting.
    """
    looks = {"python": ("--gil",), "everything": ("--native", "--idle")}
    return Command(
        ("py-spy", "record", "--format", style, "--rate", str(rate), *looks[look], "--output", out, "--", *program)
    )
