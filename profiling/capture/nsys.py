"""Nsight Systems' timeline. On a machine without a GPU it records the NVTX ranges alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bench.record.errors import MachineError, MeasurementError
from bench.record.files import SUMMARY

from .. import commands
from ..availability import NotCollected, find_tool
from . import timelines
from .job import Job, Observation
from .kineto import check_steps
from .process import Finished, require_success, run_tool, tool_version

# Nsight Systems up to this year records no ranges of nvtx packages newer than this version.
_OLD_NSYS_YEAR, _LAST_OLD_NVTX = 2023, (0, 2, 11)
_NO_START = "prefill"  # the range at which a capture without a GPU begins


def observe(job: Job) -> Observation:
    """One capture. Raises a BitledgerError where nothing usable came."""
    gpu = job.case.device == "cuda"
    program = job.window("nvtx", job.settings.steps)
    command = commands.nsys(program, str(job.file("timeline")), gpu, None if gpu else _NO_START)
    finished = run_tool(command, job.log, job.settings.limit_s)
    version = tool_version("nsys")
    report = _report(job, finished, version)
    sqlite, summary = job.file("timeline.sqlite"), job.file(SUMMARY)
    require_success(run_tool(commands.nsys_to_sqlite(str(report), str(sqlite)), job.log, job.settings.limit_s))
    facts = job.told_facts()
    setup, metrics, absent = timelines.of_file(sqlite, summary)
    if not setup["counted_ranges"]:
        raise no_ranges(version, facts["nvtx"])
    check_steps(setup["counted_ranges"].get("decode_step", 0), job.settings.steps, "the report")
    told = {"command": job.shown(command.argv), "tool": "nsys", "tool_version": version}
    files = (
        (report, "report of Nsight Systems, for nsys-ui"),
        (sqlite, "the same as SQLite"),
        (summary, "its sums"),
    )
    return Observation({**facts, **told, **setup}, (*metrics, *job.seen().metrics()), files, absent)


def _report(job: Job, finished: Finished, version: str) -> Path:
    """The .nsys-rep, made from the .qdstrm where nsys could not. Raises where there is neither."""
    report, raw = job.file("timeline.nsys-rep"), job.file("timeline.qdstrm")
    if report.exists() or raw.exists():
        require_success(finished)
    elif finished.code == 0 and not finished.timed_out and job.facts.exists():
        # The program ran and the capture never began: no range arrived.
        raise no_ranges(version, job.told_facts()["nvtx"])
    else:
        raise MeasurementError(finished.problem())
    if not report.exists():
        _import(job, raw)
    raw.unlink(missing_ok=True)
    return report


def _import(job: Job, raw: Path) -> None:
    importer = _importer()
    if importer is None:
        reason = "nsys wrote a .qdstrm and its importer was not found"
        raise MachineError(str(NotCollected(reason, "install the whole of Nsight Systems, not its target part alone")))
    require_success(run_tool(commands.Command((str(importer), "-i", str(raw))), job.log, job.settings.limit_s))


def _importer() -> Path | None:
    """QdstrmImporter, which packages put beside nsys's own folder."""
    for place in _places(find_tool("nsys")):
        found = next(iter(place.parent.parent.glob("host-linux-*/QdstrmImporter")), None)
        if found is not None:
            return found
    found_tool = find_tool("QdstrmImporter")
    return Path(found_tool) if found_tool else None


def _places(nsys: str | None) -> Iterator[Path]:
    """The path of nsys and each one that it links to."""
    path = Path(nsys) if nsys else None
    while path is not None:
        yield path
        path = path.parent / path.readlink() if path.is_symlink() else None


def no_ranges(nsys: str, nvtx: str | None) -> MachineError:
    """No NVTX range arrived: the known cause where the versions fit it."""
    if nvtx is None:
        return MachineError(str(NotCollected("no NVTX range arrived, as nvtx is not installed", "pip install nvtx")))
    year = re.match(r"20\d\d", nsys)
    numbers = tuple(int(number) for number in re.findall(r"\d+", nvtx)[:3])
    if year and int(year[0]) <= _OLD_NSYS_YEAR and numbers > _LAST_OLD_NVTX:
        reason = f"no NVTX range arrived: nsys {nsys} records none of nvtx {nvtx}"
        return MachineError(str(NotCollected(reason, "pip install 'nvtx<=0.2.11', or install a newer nsys")))
    reason = f"no NVTX range arrived from nvtx {nvtx} in nsys {nsys}"
    return MachineError(str(NotCollected(reason, "unset NVTX_DISABLE if it is set, or use the Kineto timeline")))
