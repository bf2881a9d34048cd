"""How long and in how much memory traces are summed up: by size, and beside other tools on the same files.

    benchmarks/install_peers.sh build/peers
    python -m benchmarks.timeline_scale --peers build/peers

Every figure is of a fresh process: wall time, CPU time and peak memory as the kernel counts them for it and for the
processes it waits for. Ours is repeated before and after the peer's one run; all figures are kept and the median is
compared. The load average before each run is kept too, because other work makes all tools slower.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import writing
from benchmarks.measured import measured, module
from benchmarks.traces import make, write_kineto, write_nsys

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)
NSYS_SIZE, HTA_SIZE = 1_000_000, 200_000
REPORTS = ("cuda_gpu_kern_sum", "nvtx_gpu_proj_sum", "nvtx_kern_sum", "cuda_kern_exec_sum")

Run = dict[str, Any]


def ours(path: Path, folder: Path, repeats: int, *options: str) -> Run:
    """Medians over fresh processes of ``summarize --json``."""
    command = [*module("profiling"), "summarize", str(path), "--json", *options]
    runs = [measured(command, folder) for _ in range(repeats)]
    return {
        **{name: statistics.median(run[name] for run in runs) for name in ("wall_s", "cpu_s", "peak_bytes")},
        "runs": runs,
    }


def growth(sizes: list[int], folder: Path, repeats: int) -> Iterator[Run]:
    """Ours over all sizes of both kinds of file."""
    for size in sizes:
        trace = make(size)
        counts = {"kernels": len(trace.call_start), "ranges": len(trace.range_start)}
        for kind, write in (("nsys", write_nsys), ("kineto", write_kineto)):
            path = folder / f"trace.{'sqlite' if kind == 'nsys' else 'json'}"
            write(path, trace)
            options = ("--tables",) if kind == "nsys" else ()
            result = ours(path, folder, repeats, *options)
            row = {"kind": kind, **counts, "file_bytes": path.stat().st_size, **result}
            print(f"{kind} {size}: {result['wall_s']:.2f} s, {result['peak_bytes'] / 1e6:.0f} MB", flush=True)
            path.unlink()
            yield row


def beside_nsys(peers: Path, folder: Path, repeats: int) -> Run:
    """One SQLite export: four reports of `nsys stats`, and all of them from one pass of ours, before and after."""
    path = folder / "peer.sqlite"
    trace = make(NSYS_SIZE)
    write_nsys(path, trace)
    before = ours(path, folder, repeats, "--tables")
    reports = {}
    for report in REPORTS:
        out = folder / f"report_{report}"
        command = [str(peers / "bin" / "nsys"), "stats", "--report", report, "--format", "csv"]
        reports[report] = measured([*command, "--force-export", "false", "--output", str(out), str(path)], folder)
        print(f"nsys stats {report}: {reports[report]['wall_s']:.1f} s", flush=True)
    after = ours(path, folder, repeats, "--tables")
    plain = ours(path, folder, repeats)
    mine = _together(before, after)
    theirs = {name: sum(run[name] for run in reports.values()) for name in ("wall_s", "cpu_s")}
    theirs["peak_bytes"] = max(run["peak_bytes"] for run in reports.values())
    return {
        "kernels": len(trace.call_start),
        "ranges": len(trace.range_start),
        "file_bytes": path.stat().st_size,
        "ours_all_reports": mine,
        "ours_summary": plain,
        "nsys_stats": {**theirs, "reports": reports},
        "times_faster_wall": theirs["wall_s"] / mine["wall_s"],
        "times_faster_cpu": theirs["cpu_s"] / mine["cpu_s"],
    }


def beside_hta(peers: Path, folder: Path, repeats: int) -> Run:
    """One Kineto trace: HolisticTraceAnalysis' idle-time breakdown, and our whole summary, before and after."""
    path = folder / "peer.json"
    trace = make(HTA_SIZE)
    write_kineto(path, trace)
    before = ours(path, folder, repeats)
    script = str(ROOT / "benchmarks" / "hta_idle.py")
    theirs = measured([str(peers / "hta" / "bin" / "python"), script, str(path)], folder)
    print(f"HolisticTraceAnalysis: {theirs['wall_s']:.1f} s", flush=True)
    mine = _together(before, ours(path, folder, repeats))
    return {
        "kernels": len(trace.call_start),
        "file_bytes": path.stat().st_size,
        "ours": mine,
        "hta": theirs,
        "times_faster_wall": theirs["wall_s"] / mine["wall_s"],
        "times_faster_cpu": theirs["cpu_s"] / mine["cpu_s"],
    }


def _together(*parts: Run) -> Run:
    runs = [run for part in parts for run in part["runs"]]
    names = ("wall_s", "cpu_s", "peak_bytes")
    return {**{name: statistics.median(run[name] for run in runs) for name in names}, "runs": runs}


def plot(result: Run, path: Path) -> None:
    """Time and memory by size, with the peers as single points."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for kind, label in (("nsys", "nsys SQLite, all reports"), ("kineto", "Kineto JSON")):
        rows = [row for row in result["growth"] if row["kind"] == kind]
        sizes = [row["kernels"] for row in rows]
        left.plot(sizes, [row["wall_s"] for row in rows], marker="o", label=f"summarize, {label}")
        right.plot(sizes, [row["peak_bytes"] / 1e6 for row in rows], marker="o", label=f"summarize, {label}")
    for name, key, peer in (("nsys stats, 4 reports", "nsys", "nsys_stats"), ("HolisticTraceAnalysis", "hta", "hta")):
        if key in result:
            theirs = result[key][peer]
            left.plot(result[key]["kernels"], theirs["wall_s"], marker="s", linestyle="", label=name)
            right.plot(result[key]["kernels"], theirs["peak_bytes"] / 1e6, marker="s", linestyle="", label=name)
    for axes, title in ((left, "wall time (s)"), (right, "peak memory (MB)")):
        axes.set(xscale="log", yscale="log", xlabel="kernels in the trace", title=title)
        axes.grid(alpha=0.3)
    left.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def machine() -> Run:
    """Where it runs."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load_average": os.getloadavg(),
        "cpu": next((line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")), "unknown"),
    }


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    """Run everything asked for; write the figures and the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="folder made by install_peers.sh; without it, no peers")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="kernels per trace")
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes per figure of ours (default 3)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for timeline_scale.json and .png")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    writing.check(options.out / "timeline_scale.json")
    result: Run = {"machine": machine(), "repeats": options.repeats}
    with tempfile.TemporaryDirectory(prefix="timeline-scale-") as name:
        folder = Path(name)
        if options.peers:
            peers = options.peers.resolve()
            result["nsys"] = beside_nsys(peers, folder, options.repeats)
            result["hta"] = beside_hta(peers, folder, options.repeats)
            for key in ("nsys", "hta"):
                print(f"{key}: {result[key]['times_faster_wall']:.1f}× (wall)", flush=True)
        result["growth"] = list(growth(options.sizes, folder, options.repeats))
    writing.write(options.out / "timeline_scale.json", result)
    plot(result, options.out / "timeline_scale.png")


if __name__ == "__main__":
    main()
