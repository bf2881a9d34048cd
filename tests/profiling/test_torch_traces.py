"""Traces that torch itself writes here, with each of its options: frames of Python are no operators and no ranges."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile, schedule, tensorboard_trace_handler

from bench.analysis.timeline import Analysis
from bench.analysis.traces.pair import Trace, explain_traces
from bench.analysis.traces.taken import Wanted, taken
from bench.cli import main
from bench.record import causes as c
from profiling.summarize import read_timeline

OPTIONS = {
    "plain": {},
    "stack": {"with_stack": True},
    "all": {
        "with_stack": True, "record_shapes": True, "with_modules": True, "profile_memory": True, "with_flops": True,
        "experimental_config": torch._C._profiler._ExperimentalConfig(verbose=True),
    },
}  # fmt: skip
FRAME = re.compile(r"\.py\(\d+\)|^<built-in|^nn\.Module")
LAYERS, ACTIVE = 3, 3


class Model(torch.nn.Module):
    """Linears with an activation, and with a cast before each where it is asked for."""

    def __init__(self, cast: bool) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(64, 64) for _ in range(LAYERS))
        self.cast = cast

    def forward(self, x):
        for layer in self.layers:
            x = torch.nn.functional.gelu(layer(x.to(torch.float64).to(torch.float32) if self.cast else x))
        return x


def recorded(folder: Path, cast: bool, options: dict) -> list[Path]:
    """Two windows of three steps each, with steps between them that are not recorded."""
    model, x = Model(cast), torch.randn(8, 64)
    plan = schedule(wait=1, warmup=1, active=ACTIVE, repeat=2, skip_first=1)
    handler = tensorboard_trace_handler(str(folder), worker_name="rank0", use_gzip=True)
    with (
        torch.no_grad(),
        profile(activities=[ProfilerActivity.CPU], schedule=plan, on_trace_ready=handler, **options) as profiler,
    ):
        for _ in range(12):
            model(x)
            profiler.step()
    return sorted(folder.glob("*.pt.trace.json.gz"))


@pytest.fixture(scope="module", params=OPTIONS)
def traces(request, tmp_path_factory):
    """(with casts, without: the files of both windows) as one of the options has them."""
    folder = tmp_path_factory.mktemp(request.param)
    return (
        request.param,
        recorded(folder / "plain", False, OPTIONS[request.param]),
        recorded(folder / "cast", True, OPTIONS[request.param]),
    )


def test_frames_of_python_are_no_operators_ranges_or_steps(traces):
    option, *arms = traces
    for path in (path for files in arms for path in files):
        timeline = read_timeline(path)
        named = [timeline.strings[n] for table in (timeline.operators, timeline.ranges) for n in table.name.tolist()]
        assert not [name for name in named if FRAME.search(name)]
        assert bool(len(timeline.frames)) is (option != "plain")
        assert {re.sub(r"\d+", "N", name) for name in named if name.startswith("Profiler")} == {"ProfilerStep#N"}


def test_each_window_of_a_schedule_is_a_trace_of_its_own_steps(traces):
    for files in traces[1:]:
        assert len(files) == 2
        for path in files:
            found = taken(Analysis(read_timeline(path)), Wanted())
            assert found.step_range == "ProfilerStep"
            assert re.match(rf"[1-{ACTIVE}]( of {ACTIVE})? steps? 'ProfilerStep'", found.said)


def test_a_cast_that_one_has_is_in_its_line_alone(traces):
    """As recorded, since a busy machine is no place for times: what they hold, not how long it takes."""
    one, other = (Trace(files[0], Analysis(read_timeline(files[0])), None, "ProfilerStep") for files in traces[1:])
    found = {line.cause: line for line in explain_traces(one, other).recorded.lines}
    assert found[c.CAST].reference_ms == 0.0 < found[c.CAST].scheme_ms
    assert found[c.GEMM].reference_ms > 0.0 and found[c.NORM].reference_ms > 0.0
    assert c.OTHER not in found
    if traces[0] != "plain":
        lines = explain_traces(one, other).recorded.lines
        assert not any(line.sure for line in lines), "what recording frames cost has no bound"


def test_a_folder_and_a_trace_without_steps_are_refused_with_what_to_do(traces, tmp_path, capsys):
    files = traces[1]
    assert main(["whatif", str(files[0].parent), "--remove", "cast"]) == 2
    assert files[0].name in capsys.readouterr().err
    document = json.loads(gzip.decompress(files[0].read_bytes()))
    document["traceEvents"] = [e for e in document["traceEvents"] if not e["name"].startswith("ProfilerStep")]
    path = tmp_path / "nothing.json"
    path.write_text(json.dumps(document))
    assert main(["whatif", str(path), "--remove", "cast"]) == 2
    told = capsys.readouterr().err
    assert "without kernels none are inferred" in told and "prof.step()" in told
