"""What is wide and long to tell: every scheme, long names, many findings, two ranks, forty kernels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from bench.record import causes as c
from bench.record.schema import Finding
from bench.record.store import open_run
from bench.schemes import ARMS
from tests import factories as make
from tests.foreign_traces import Story

LONG = "a-name-of-a-folder-that-somebody-gave-to-say-all-that-was-done-in-it-on-that-day-in-november"
MODEL = "an-organisation-with-a-long-name/a-model-with-a-long-name-70B-Instruct-v2.1-finetuned-on-everything"
# Costs of the ledger in seconds: nine causes that all differ.
_COSTS = {cause: 0.001 * place for place, cause in enumerate((*c.BUSY, *c.IDLE), 1) if cause != c.ATTENTION_PLANS}


def write_run(folder: Path) -> Path:
    """Every scheme at two batch sizes, each with a timeline and findings; failed Cases with long reasons."""
    told = [
        Finding(f"f{n}", "error" if n % 3 else "warning", f"finding {n}: {'it goes on and on ' * 9}", "so", "do that")
        for n in range(30)
    ]
    with open_run(folder) as writer:
        for place, scheme in enumerate(ARMS):
            for batch in (1, 8):
                of = {"model": MODEL, "batch_size": batch, "device": "cuda"}
                record = make.generation(scheme, step=0.01 + 0.002 * place, **of)
                writer.append(replace(record, findings=tuple(told)))
                lines = {cause: value * (1 + place) for cause, value in _COSTS.items()}
                writer.append(make.kineto(scheme, lines=lines, **of))
            lost = make.generation(scheme, 9, model=MODEL, device="cuda", cache="static")
            why = "the child died with signal 9, as it does where memory is short " * 4
            writer.append(replace(lost, status="failed", reason=why, metrics=()))
    return folder


def write_traces(folder: Path) -> tuple[Path, Path]:
    """Reference and candidate of a server: two ranks, forty kernels in each step with names of two hundred letters."""
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(
        _story(extra).nsys(folder / f"{name}-{LONG}.sqlite") for name, extra in (("reference", 0), ("candidate", 12))
    )  # type: ignore[return-value]


def _story(extra: int) -> Story:
    story = Story()
    step, began = 3000.0, 1000.0
    for number in range(6):
        for pid in (1, 2):
            start = began + number * step
            story.range("execute_model_of_the_server(batch=32, tokens=1)", start, step, pid)
            for kernel in range(40 + extra):
                name = f"void some::library::kernel_{kernel}<{'float, 128, 64, true, ' * 9}>(Params const*)"
                at = start + 50 + kernel * 40
                story.kernel(name, at - 20, at, 30, pid=pid, device=pid - 1)
    return story


def write_emissions(file: Path, runs: int = 120) -> Path:
    """CodeCarbon's file of many runs, some with fewer joules than its CPU can have drawn."""
    columns = (
        "timestamp", "project_name", "run_id", "duration", "emissions", "cpu_power", "gpu_power", "ram_power",
        "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed", "cpu_model", "tracking_mode",
    )  # fmt: skip
    rows = [",".join(columns)]
    for run in range(runs):
        cpu = (0.02 if run % 7 else 0.001) * (1 + 0.01 * run)
        cells = (
            "2026-11-30T00:00:00", f"project-{LONG}", f"run-{run}", "600", "0.01", "120", "200", "10", f"{cpu:.9f}",
            "0.03", "0.002", f"{cpu + 0.032:.9f}", "Intel(R) Xeon(R) Platinum 8468", "machine",
        )  # fmt: skip
        rows.append(",".join(cells))
    file.write_text("\n".join(rows) + "\n")
    return file


def write_counters(file: Path, launches: int = 40) -> Path:
    """Nsight Compute's raw page as CSV: many kernels with long names, and traffic in whole bytes."""
    names = (
        "ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream", "Block Size", "Grid Size",
        "Device", "CC", "dram__bytes_read.sum", "dram__bytes_write.sum", "gpu__time_duration.sum",
        "lts__t_sectors_lookup_hit.sum", "lts__t_sectors_lookup_miss.sum",
    )  # fmt: skip
    units = ("",) * 11 + ("byte", "byte", "ns", "sector", "sector")
    rows = [names, units]
    for place in range(launches):
        name = f"void kernel_{place}<{'float, ' * 20}int>(int)"
        rows.append(
            (str(place), "1", "python", "host", name, "1", "7", "(256, 1, 1)", "(128, 1, 1)", "0", "9.0",
             "503316480", "1048576", "120000", "4000", "1000")
        )  # fmt: skip
    file.write_text("\n".join(",".join(json.dumps(cell) for cell in row) for row in rows) + "\n")
    return file
