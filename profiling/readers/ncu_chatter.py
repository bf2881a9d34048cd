"""What ncu itself says between the lines: ``==PROF==``, ``==WARNING==`` and ``==ERROR==``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

PERMISSION = "ERR_NVGPUCTRPERM"
NOT_PERMITTED = (
    "hardware counters were not permitted (ERR_NVGPUCTRPERM): on the host set the NVIDIA driver option "
    "NVreg_RestrictProfilingToAdminUsers=0, or start the container with --cap-add SYS_ADMIN"
)
BUSY = (
    "hardware counters were in use by another tool: stop DCGM or the other profiler "
    "(dcgmi profp --pause), then profile again"
)
NO_KERNELS = (
    "ncu profiled no kernel: check the NVTX and kernel-name filters, and pass --target-processes all "
    "if a child process launches the kernels"
)
TEXT_OUTPUT = "ncu's text output: write it with `ncu --csv`, or with `ncu -o FILE` and give FILE.ncu-rep"

_CHATTER = re.compile(r"==(PROF|WARNING|ERROR)== +(\S.*)")


def messages(lines: Iterable[str], kind: str) -> tuple[str, ...]:
    """The distinct texts of one kind ("WARNING", "ERROR"), in order."""
    found = (_CHATTER.search(line) for line in lines)
    return tuple(dict.fromkeys(match[2].strip() for match in found if match and match[1] == kind and match[2].strip()))


def is_chatter(line: str) -> bool:
    return _CHATTER.search(line) is not None


_CAUSES = {
    PERMISSION: NOT_PERMITTED,
    "driver resource was unavailable": BUSY,
    "No kernels were profiled": NO_KERNELS,
}


def why_no_table(lines: Sequence[str]) -> str:
    """One clause with the cause and the remedy, for output that holds no counter table."""
    for sign, cause in _CAUSES.items():
        if any(sign in line for line in lines):
            return cause
    errors = messages(lines, "ERROR")
    if errors:
        return f"ncu failed: {errors[0][:200]}"
    if any(line.lstrip().startswith("Section: ") for line in lines):
        return TEXT_OUTPUT
    return "no counter table in it: write it with 'ncu --csv' or 'ncu -i FILE.ncu-rep --csv --page raw'"
