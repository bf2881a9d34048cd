"""The plan of interventions and what the replay predicts before them."""

from __future__ import annotations

import json

import pytest

from bench.analysis.ledger.pairs import observed_records, observer_models
from bench.analysis.replay.whatif import Replay
from bench.analysis.timeline import Analysis
from bench.cli import main
from bench.presets import EndToEnd
from bench.record.errors import RecordError
from bench.record.store import load
from bench.run import intervening
from bench.workloads.sources import resolve
from profiling.summarize import read_timeline
from tests import factories as make


def plan(names, observed=frozenset(), repeats=2):
    sweep = EndToEnd("test", tuple(names), new_tokens=8, repeats=repeats)
    return intervening.make_plan(sweep, resolve("smoke"), "cpu", 0, names, observed, 1)


def test_every_intervention_and_the_unchanged_arm_in_every_repeat():
    made = plan({"fp16": (), "int8": ("threshold-0", "bare-op")})
    keys = [(b.requests[0].case.scheme, b.requests[0].case.intervention, b.repeat) for b in made.blocks]
    assert len(keys) == len(set(keys)) == 2 * 4
    assert {(scheme, name) for scheme, name, _ in keys} >= {("int8", "none"), ("fp16", "none"), ("int8", "bare-op")}
    assert [case.intervention for case in made.cases] == ["threshold-0"]


def test_timelines_are_recorded_where_the_run_has_none():
    made = plan({"fp16": (), "nf4": ()}, observed=frozenset({"fp16"}))
    (block,) = made.timelines
    assert block.requests[0].case.scheme == "nf4"
    assert [request.instrument for request in block.requests] == ["generation", "kineto"]


def test_the_order_is_drawn_from_the_seed():
    orders = [[b.requests[0].case for b in plan({"int8": ("threshold-0", "bare-op")}).blocks] for _ in range(2)]
    assert orders[0] == orders[1]


@pytest.mark.parametrize(
    ("scheme", "only", "batches", "names"),
    [
        ("fp16", (), (4,), ("static-cache", "batch-4")),
        ("int8", ("threshold-0", "bare-op"), (), ("threshold-0", "bare-op", "threshold-0+bare-op")),
        ("nf4-dq", ("double-quant-off",), (), ("double-quant-off",)),
        ("nf4", (), (3,), None),
        ("nf4", ("batch-4",), (), ("batch-4",)),
    ],
)
def test_names(scheme, only, batches, names):
    found = intervening.names_for(scheme, "cpu", only, batches)
    assert names is None or found == names
    assert not any(name.startswith("planted") for name in found) or scheme == "int8"


def test_what_the_sweep_is_already_is_not_measured_as_an_intervention():
    sweep = EndToEnd("test", ("nf4",), batch_sizes=(4,), caches=("static",), new_tokens=8, repeats=1)
    names = {"nf4": ("static-cache", "batch-4", "batch-8", "bare-op")}
    made = intervening.make_plan(sweep, resolve("smoke"), "cpu", 0, names, frozenset(), 1)
    assert {b.requests[0].case.intervention for b in made.blocks} == {"none", "batch-8", "bare-op"}


def predictor(tmp_path, read):
    return intervening.Predictor(tmp_path, "run", ("python",), make.CPU, read)


def test_no_timeline_no_prediction_and_why(tmp_path):
    case = make.case("int8", intervention="threshold-0")
    (record,) = predictor(tmp_path, None).predictions([make.kineto("int8")], [case])
    assert record.status == "skipped"
    assert "no timeline of int8" in record.reason


def test_a_broken_timeline_is_a_reason_too(tmp_path):
    from dataclasses import replace

    from bench.record.schema import Artifact

    def read(_path):
        raise RecordError("truncated")

    kept = replace(make.kineto("int8"), artifacts=(Artifact("artifacts/a/trace.json.gz", "0", "trace"),))
    case = make.case("int8", intervention="threshold-0")
    (record,) = predictor(tmp_path, read).predictions([kept], [case])
    assert (record.status, record.reason) == ("skipped", "truncated")


def recorded_step(out, records, scheme):
    """s of a recorded step of the unchanged arm, less what recording it cost."""
    (kept,) = [record for record in records if record.instrument == "kineto" and record.case.scheme == scheme]
    (trace,) = [out / item.path for item in kept.artifacts if item.path.endswith(".json.gz")]
    model = observer_models(observed_records(records))["kineto", "cpu"]
    steps = Replay(Analysis(read_timeline(trace))).less_observer(model).cpu_steps
    return sum(step.ns for step in steps) / len(steps) * 1e-9


@pytest.mark.slow
def test_a_small_run_predicts_measures_and_resumes(tmp_path, capsys):
    """Real: the smoke model on this machine's CPU."""
    out = tmp_path / "run"
    arguments = [
        "intervene", "--out", str(out), "--preset", "smoke", "--schemes", "nf4", "--only", "pre-dequantised",
        "--repeats", "1", "--calls", "1", "--new-tokens", "16", "--device", "cpu",
    ]  # fmt: skip
    assert main(arguments) == 0
    records = load(out).records
    kinds = [record.instrument for record in records]
    assert kinds.count("kineto") == 2
    assert kinds.count("intervention") == 3
    assert kinds.index("prediction") < kinds.index("intervention")
    stated = next(record for record in records if record.instrument == "prediction")
    replayed, predicted = (stated.values(f"{name}_step_time")[0] for name in ("replayed", "predicted"))
    assert replayed == pytest.approx(recorded_step(out, records, "nf4"))
    assert predicted == pytest.approx(recorded_step(out, records, "fp16"))
    capsys.readouterr()
    assert main(arguments) == 0
    assert len(load(out).records) == len(records)
    capsys.readouterr()
    assert main(["explain", str(out), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["interventions"]
    assert row["name"] == "pre-dequantised"
    assert row["predicted_gain_ms"] == pytest.approx((replayed - predicted) * 1e3)
    assert row["token_agreement"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--only", "magic"], "unknown intervention 'magic'"),
        (
            ["--schemes", "nf4", "--only", "threshold-0", "--device", "cpu", "--preset", "smoke"],
            "threshold-0: without effect on fp16, nf4 on cpu, so not measured",
        ),
        (["--schemes", "int3"], "unknown scheme 'int3'"),
        (["--repeats", "0"], "--repeats"),
        (["--batch-sizes", "3"], "batch size 3 is no intervention: choose from 2, 4"),
        (["--preset", "huge"], "unknown preset"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(tmp_path, capsys, arguments, text):
    assert main(["intervene", "--out", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert text in error
