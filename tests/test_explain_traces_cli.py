"""explain of two traces and whatif of one, as users call them: JSON, tables, and what is said where nothing can be."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bench.cli import main
from bench.record import causes as c
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Machine
from benchmarks.fidelity.writers import write_kineto
from tests.planted_traces import write_planted

LINE_KEYS = {"cause", "reference_ms", "scheme_ms", "delta_ms", "ci"}
CAUSE_KEYS = LINE_KEYS | {"work_ms", "host_ms", "share_percent", "share_of", "sure"}


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """Reference and candidate of one planted case, by both tools, and the ms of a step of each."""
    return write_planted(tmp_path_factory.mktemp("traces"))


def told(capsys, *arguments, code=0):
    assert main([str(item) for item in arguments]) == code
    return capsys.readouterr()


def explained(capsys, folder, *more, suffix="json"):
    arguments = ("--reference", folder / f"reference.{suffix}", "--candidate", folder / f"candidate.{suffix}", *more)
    (pair,) = json.loads(told(capsys, "explain", *arguments, "--json").out)["pairs"]
    return pair


@pytest.fixture(scope="module")
def walls(traces):
    """The recorded steps; the machine has no observer, so these are the true times."""
    from bench.analysis.ledger.read import step_costs
    from bench.analysis.timeline import Analysis
    from profiling.summarize import read_timeline

    paths = (traces / "reference.json", traces / "candidate.json")
    return [float(step_costs(Analysis(read_timeline(path))).wall.mean()) * 1e-6 for path in paths]


@pytest.fixture
def times(walls):
    return ("--reference-time", str(walls[0]), "--candidate-time", str(walls[1]))


@pytest.mark.parametrize("suffix", ["sqlite", "json"])
def test_with_times_as_for_a_run(traces, times, capsys, suffix):
    pair = explained(capsys, traces, *times, suffix=suffix)
    assert all(set(line) == LINE_KEYS for line in pair["lines"])
    assert all(set(cause) == CAUSE_KEYS for cause in pair["causes"])
    assert sum(line["delta_ms"] for line in pair["lines"]) == pair["delta_ms"]
    assert sum(cause["delta_ms"] for cause in pair["causes"]) == pair["delta_ms"]
    for side, ms in (("lost", pair["lost_ms"]), ("won", pair["won_ms"])):
        mine = [cause["share_percent"] for cause in pair["causes"] if cause["share_of"] == side]
        assert sum(mine) == (100 if ms else 0)
    assert pair["wall_ms"]["scheme"] - pair["wall_ms"]["reference"] == pair["delta_ms"]
    assert {line["cause"] for line in pair["lines"]} <= {*c.CAUSES, c.UNEXPLAINED}
    assert pair["causes"][0]["cause"] == c.CAST
    assert pair["causes"][0]["delta_ms"] == pytest.approx(pair["delta_ms"], rel=0.1)
    assert pair["predicted_savings"][0]["cause"] == c.CAST
    low, high = pair["delta_ci"]
    assert low <= pair["delta_ms"] <= high
    assert pair["ratio"]["assumed"] == "how much processes differ"
    assert pair["verdict"] == "AMBIGUOUS", "×1.5 from one process of each is not told from chance"


def test_without_times_nothing_overall_is_claimed(traces, capsys):
    pair = explained(capsys, traces)
    for key in ("ratio", "times", "wall_ms", "delta_ms", "delta_ci", "unexplained_ms", "verdict"):
        assert pair[key] is None, key
    assert pair["lines"] == pair["causes"] == pair["sources"] == pair["predicted_savings"] == []
    assert "of the reference and of the candidate" in pair["times_missing"]
    lines = {line["cause"]: line for line in pair["recorded"]["lines"]}
    assert lines[c.HOST_GAP]["inflated"] and lines[c.HOST_GAP]["delta_ms"] is None
    assert lines[c.CAST]["delta_ms"] == pytest.approx(lines[c.CAST]["scheme_ms"])
    assert not lines[c.CAST]["inflated"]


def test_one_time_is_not_enough(traces, capsys):
    pair = explained(capsys, traces, "--reference-time", "1")
    assert pair["verdict"] is None
    assert pair["times_missing"] == "no time is known of the candidate"


def test_readers_of_both_tools_agree(traces, capsys):
    found = []
    for suffix in ("sqlite", "json"):
        lines = explained(capsys, traces, suffix=suffix)["recorded"]["lines"]
        found.append({line["cause"]: line["scheme_ms"] for line in lines})
    assert found[0] == pytest.approx(found[1], abs=1e-6)


@pytest.mark.parametrize("columns", ["80", "140"])
def test_tables(traces, times, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    both = ("--reference", traces / "reference.json", "--candidate", traces / "candidate.json")
    arguments = ("explain", "-v", *both)
    out = told(capsys, *arguments, *times).out
    for text in ("These times cannot tell", "Why", "What to do", "Predicted savings, by replay", "is assumed"):
        assert text in " ".join(out.split()), text
    assert max(map(len, out.splitlines())) <= int(columns)
    out = told(capsys, *arguments).out
    for text in ("No overall answer without the times", "inflated by the profiler", "--reference-time MS"):
        assert text in " ".join(out.split()), text
    table = out.split("As recorded, ms per step\n")[1].splitlines()
    assert any(row.startswith("norm_elementwise ") for row in table)
    assert not any(row.startswith("   ") and row.strip() for row in table)
    assert "×" not in out.split("As recorded")[0], "no ratio of recorded steps"


@pytest.mark.parametrize(
    ("candidate_ms", "words", "action"),
    [(3.0, "Slower:", "Without changes of number format"), (0.3, "Faster:", "Nothing")],
)
def test_sure_answers(traces, walls, capsys, candidate_ms, words, action):
    """Times far apart: the sign is that of the times, whatever was recorded, and shares are of what was won."""
    arguments = ("explain", "--reference", traces / "reference.json", "--candidate", traces / "candidate.json")
    given = ("--reference-time", walls[0] if candidate_ms > 1 else 1.5, "--candidate-time", candidate_ms)
    out = " ".join(told(capsys, *arguments, *given).out.split())
    assert words in out
    assert action in out
    assert ("ms won" in out) == (candidate_ms < 1)
    assert "warning:" in out, "the times are not those of the recorded steps, and that is said"


def test_a_faster_candidate_is_called_faster_and_its_shares_are_of_the_time_saved(traces, walls, capsys):
    """The same traces the other way round: what the reference does not do saves time."""
    arguments = ("explain", "--reference", traces / "candidate.json", "--candidate", traces / "reference.json")
    given = ("--reference-time", 4 * walls[1], "--candidate-time", walls[0])
    out = " ".join(told(capsys, *arguments, *given).out.split())
    assert out.startswith("Faster: reference.json takes ×")
    (pair,) = json.loads(told(capsys, *arguments, *given, "--json").out)["pairs"]
    assert pair["verdict"] == "FASTER"
    cast = next(cause for cause in pair["causes"] if cause["cause"] == c.CAST)
    assert cast["delta_ms"] < 0 < cast["share_percent"]


@pytest.mark.parametrize("values", [HOST_BOUND, GPU_BOUND], ids=["host-bound", "GPU-bound"])
def test_equal_traces_differ_in_nothing(tmp_path, capsys, values):
    machine = Machine()
    for _ in range(3):
        machine.step(Decode(**values).step())
    write_kineto(tmp_path / "reference.json", machine.happened)
    write_kineto(tmp_path / "candidate.json", machine.happened)
    pair = explained(capsys, tmp_path, "--reference-time", "2", "--candidate-time", "2")
    assert pair["delta_ms"] == 0.0
    assert pair["causes"] == pair["predicted_savings"] == []
    assert all(line["delta_ms"] == 0.0 for line in pair["lines"])
    alone = explained(capsys, tmp_path)
    assert not any(line["delta_ms"] for line in alone["recorded"]["lines"])


def predicted(capsys, *arguments):
    return json.loads(told(capsys, "whatif", *arguments, "--json").out)


@pytest.mark.parametrize("timed", [False, True])
def test_whatif(traces, walls, capsys, timed):
    more = ("--time", walls[1]) if timed else ()
    found = predicted(capsys, traces / "candidate.sqlite", "--remove", "cast", *more)
    assert found["steps"] == 6
    assert found["measured"] == "as given" if timed else found["measured"].startswith("as recorded: the profiler")
    assert found["replayed_ms"] == pytest.approx(found["measured_ms"], rel=0.03)
    assert found["predicted_ms"] < 0.7 * found["measured_ms"]
    if not timed:
        assert found["predicted_ci"] is None, "of a recorded step, which no real one is"
        return
    low, high = found["predicted_ci"]
    assert low < found["predicted_ms"] < high
    assert low < walls[0] < high, "the reference, which has no cast"


def test_whatif_scales_and_captures(traces, capsys):
    scaled = predicted(capsys, traces / "candidate.json", "--scale", "host_gap=0.5")
    graph = predicted(capsys, traces / "candidate.json", "--cuda-graph")
    assert graph["predicted_ms"] < scaled["predicted_ms"] < scaled["measured_ms"]
    assert graph["notes"]
    assert "predicted" in told(capsys, "whatif", traces / "candidate.json", "--cuda-graph").out


def test_whatif_on_real_time_starts_from_it(tmp_path, capsys):
    """An observer that makes the step twice as long: on real time the prediction is of the real step."""
    decode = Decode(**HOST_BOUND)
    for name, observer in (("plain", (0.0, 0.0, 0.0)), ("observed", (2_500.0, 2_500.0, 3_500.0))):
        machine = Machine(observer=observer)
        for _ in range(6):
            machine.step(decode.step())
        write_kineto(tmp_path / f"{name}.json", machine.happened)
    change = ("--scale", "host_gap=0.5")
    truth = predicted(capsys, tmp_path / "plain.json", *change)
    recorded = predicted(capsys, tmp_path / "observed.json", *change)
    real = predicted(capsys, tmp_path / "observed.json", *change, "--time", truth["measured_ms"])
    assert recorded["predicted_ms"] > 1.5 * truth["predicted_ms"]
    assert real["measured_ms"] == truth["measured_ms"]
    assert real["predicted_ms"] == pytest.approx(truth["predicted_ms"], rel=0.05)


def test_whatif_says_where_the_replay_misses_instead_of_predicting(traces, walls, capsys):
    """A step that takes longer than its recording is another one: the observer only adds."""
    found = predicted(capsys, traces / "candidate.json", "--remove", "cast", "--time", 1.1 * walls[1])
    assert found["predicted_ms"] is None and found["predicted_ci"] is None
    assert "misses by more than 3%" in found["missing"]
    out = told(capsys, "whatif", traces / "candidate.json", "--remove", "cast", "--time", 1.1 * walls[1]).out
    assert "no prediction: the replay takes" in out
    assert "predicted  " not in out


def test_two_sums_rounding_is_no_cause(tmp_path, capsys):
    """One step each, of matrix products alone: nothing of 1e-9 ms is named beside them."""
    decode = Decode(**GPU_BOUND)
    for name, values in (("reference", decode), ("candidate", replace(decode, gemm=80_000))):
        machine = Machine()
        machine.step(values.step())
        write_kineto(tmp_path / f"{name}.json", machine.happened)
    arguments = ("explain", "--reference", tmp_path / "reference.json", "--candidate", tmp_path / "candidate.json")
    out = told(capsys, *arguments, "--reference-time", "1.0761", "--candidate-time", "2.0361").out
    assert "e-" not in out.split("Ledger")[0]
    assert "time per step" in out and "time per token" not in out
