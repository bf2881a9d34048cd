"""Runs in HolisticTraceAnalysis' own environment: load one Kineto trace and break down its idle time."""

import sys
from pathlib import Path

from hta.trace_analysis import TraceAnalysis

if __name__ == "__main__":
    trace = Path(sys.argv[1]).resolve()
    analysis = TraceAnalysis(trace_files={0: str(trace)}, trace_dir=str(trace.parent))
    idle, _ = analysis.get_idle_time_breakdown(ranks=[0], visualize=False)
    print(idle.to_string())
